//! Feeds as they are found, and what becomes of them.

use super::*;
use crate::network::ScriptedNetwork;
use proptest::prelude::*;

const NOW: &str = "2026-03-28T10:00:00Z";

fn now() -> Timestamp {
    Timestamp::parse(NOW).expect("RFC 3339")
}

fn call(network: &ScriptedNetwork) -> Call<'_> {
    Call { now: now(), network, ..super::super::testing::call("2026-11-22T10:00:00Z", Language::En) }
}

fn read(text: &str) -> SignalPage {
    parse(text.as_bytes(), None, Some("https://shop.example/news/feed.xml")).expect("a feed")
}

fn refused(bytes: &[u8]) -> Failure {
    parse(bytes, None, Some("https://shop.example/")).expect_err("not a feed").failure().clone()
}

/// An RSS feed with these items.
fn rss(items: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>T</title><link>https://shop.example/</link>{items}</channel></rss>"
    )
}

fn titles(page: &SignalPage) -> Vec<&str> {
    page.signals.iter().map(|s| s.title.as_str()).collect()
}

#[test]
fn rss_says_all_it_has() {
    let page = read(&rss(
        "<item><guid isPermaLink='false'>n1</guid><title>Caf&#233; &amp; th&eacute;</title><link>/a?x=1&amp;y=2</link>\
         <pubDate>Fri, 27 Mar 2026 09:00:00 +0100</pubDate><author>«Zo\u{e9}»zoe@x.fr</author>\
         <description>&lt;p&gt;Une &lt;b&gt;nouvelle&lt;/b&gt; adresse&amp;nbsp;!&lt;/p&gt;</description></item>",
    ));
    assert_eq!(
        page.signals,
        [Signal {
            id: "n1".into(),
            title: "Café & thé".into(),
            url: Some("https://shop.example/a?x=1&y=2".into()),
            published: Timestamp::parse("2026-03-27T08:00:00Z"),
            summary: "Une nouvelle adresse !".into(),
        }]
    );
    assert_eq!((page.unchanged, page.remarks.len()), (false, 0));
}

#[test]
fn every_version_of_rss_and_atom_is_read() {
    let item = "<item><title>un</title><link>https://x.example/1</link></item>";
    let entry = "<entry><id>1</id><title>un</title><link href='https://x.example/1'/></entry>";
    let rdf = "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'";
    for feed in [
        format!("<rss version='0.91'><channel>{item}</channel></rss>"),
        format!("<rss version='0.94'><channel>{item}</channel></rss>"),
        format!("<rss version='2.0.1'><channel>{item}</channel></rss>"),
        format!("<rss><channel>{item}</channel></rss>"),
        format!("<RSS version='2.0'><Channel>{}</Channel></RSS>", item.replace("title", "Title").replace("item", "ITEM")),
        format!("<rss version='2.0' xmlns='http://backend.userland.com/rss2'><channel>{item}</channel></rss>"),
        format!("<rdf:RDF {rdf} xmlns='http://purl.org/rss/1.0/'><channel/>{item}</rdf:RDF>"),
        format!("<rdf:RDF {rdf} xmlns='http://my.netscape.com/rdf/simple/0.9/'><channel></channel>{item}</rdf:RDF>"),
        format!("<feed xmlns='http://www.w3.org/2005/Atom'>{entry}</feed>"),
        format!("<feed version='0.3' xmlns='http://purl.org/atom/ns#'>{entry}</feed>"),
        format!("<feed>{entry}</feed>"),
        entry.to_owned(),
        "<a:feed xmlns:a='http://www.w3.org/2005/Atom'><a:entry><a:title>un</a:title><a:link href='https://x.example/1'/></a:entry></a:feed>"
            .into(),
        r#"{"version":"https://jsonfeed.org/version/1.1","title":"T","items":[{"id":1,"title":"un","url":"https://x.example/1"}]}"#.into(),
    ] {
        let page = read(&feed);
        assert_eq!((titles(&page), page.signals[0].url.as_deref()), (vec!["un"], Some("https://x.example/1")), "{feed}");
    }
}

#[test]
fn atom_keeps_what_its_types_say() {
    let page = read(
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='https://a.example/blog/'><title>T</title>
         <entry><id>t:1</id><title>if a &lt; b then &lt;c&gt;</title><updated>2026-03-20T00:00:00Z</updated>
           <source><title>elsewhere</title><id>t:0</id></source><link rel='enclosure' href='x.mp3'/><link rel='edit' href='/edit'/>
           <link href='one'/><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>du <em>texte</em></p>.</div></content></entry>
         <entry><id>t:2</id><title type='html'>&lt;b&gt;gras&lt;/b&gt; &amp;amp; fin</title><published>2026-03-21T00:00:00Z</published>
           <updated>2026-03-22T00:00:00Z</updated><summary type='text/plain'>résumé</summary><content type='image/png'>AAAA</content></entry>
         <entry><title type='weird'>trois</title><content src='https://a.example/3' type='nonsense'>x</content></entry></feed>",
    );
    let [one, two, three] = &page.signals[..] else { panic!("{page:?}") };
    assert_eq!((one.title.as_str(), one.id.as_str(), one.summary.as_str()), ("if a < b then <c>", "t:1", "du texte ."));
    assert_eq!(
        (one.url.as_deref(), one.published),
        (Some("https://a.example/blog/one"), Timestamp::parse("2026-03-20T00:00:00Z"))
    );
    assert_eq!(
        (two.title.as_str(), two.summary.as_str(), two.published),
        ("gras & fin", "résumé", Timestamp::parse("2026-03-21T00:00:00Z"))
    );
    assert_eq!((three.title.as_str(), three.summary.as_str()), ("trois", ""));
}

#[test]
fn json_feed_is_read_with_its_usual_mistakes() {
    let page = read(
        "{\"title\":null,\"home_page_url\":\"https://j.example\",\"items\":[
          {\"id\":\"1\",\"content_html\":\"<p>Du pain &amp; du\nbeurre</p>\",\"url\":\"/one\",\"date_published\":\"2026-03-20 10:00\"},
          {\"id\":7,\"title\":\"Sept <7>\",\"content_text\":\"a < b\",\"tags\":3,\"external_url\":\"https://k.example/7\",\"date_modified\":\"Fri, 20 Mar 2026 10:00:00 GMT\"}, 12, {}]}",
    );
    let [one, seven] = &page.signals[..] else { panic!("{page:?}") };
    assert_eq!((one.title.as_str(), one.url.as_deref()), ("Du pain & du beurre", Some("https://shop.example/one")));
    assert_eq!(one.published, Timestamp::parse("2026-03-20T10:00:00Z"));
    assert_eq!(seven.published, one.published);
    assert_eq!((seven.id.as_str(), seven.title.as_str(), seven.summary.as_str()), ("7", "Sept <7>", "a < b"));
    assert!(page.remarks[0].contains("left out: 2"), "{:?}", page.remarks);
    assert_eq!(refused(b"{\"items\": [").code, "malformed");
    assert_eq!(refused(b"{\"a\": 1}").code, "not-a-feed");
}

#[test]
fn careless_writing_is_understood() {
    for (item, title, summary) in [
        ("<title>AT&T & R&D</title>", "AT&T & R&D", ""),
        ("<title><![CDATA[Déjà <b>vu</b> &amp; revu]]></title>", "Déjà vu & revu", ""),
        ("<title>&lt;![CDATA[Double]]&gt;</title>", "Double", ""),
        ("<title>l&amp;#8217;heure &amp;eacute;t&amp;eacute;</title>", "l’heure été", ""),
        ("<title>a\u{1}b&#0;c&#xFFFF;d&#55296;e</title>", "ab c d e", ""),
        ("<title>Un <b>gros</b> titre</title>", "Un gros titre", ""),
        ("<title>x</title><description>Ligne<br>suite <p>fin & <i>tout</description>", "x", "Ligne suite fin & tout"),
        ("<title>\n  sur \n deux   lignes \n</title>", "sur deux lignes", ""),
        ("<title>x</title><media:title xmlns:media='http://search.yahoo.com/mrss/'>y</media:title>", "x", ""),
        ("<title>x</title><foo:title>not declared</foo:title>", "x", ""),
        ("<image><title>logo</title></image><title>x</title>", "x", ""),
        ("<title>x</title><content:encoded><![CDATA[<p>tout</p>]]></content:encoded>", "x", "tout"),
        ("<description>Pas de titre ici</description>", "Pas de titre ici", "Pas de titre ici"),
        ("<title>x</title><itunes:duration>99999999999999999999:00:00</itunes:duration>", "x", ""),
        ("<title>x<title><description>y</description>", "x", "y"),
        ("<title a=\"b>x</title><link/>", "x", ""),
    ] {
        let page = read(&rss(&format!("<item>{item}</item>")));
        assert_eq!(page.signals.len(), 1, "{item}");
        let signal = &page.signals[0];
        assert_eq!((signal.title.as_str(), signal.summary.as_str()), (title, summary), "{item}");
    }
}

#[test]
fn encodings_are_found_out() {
    let feed = |encoding: &str| {
        rss("<item><title>Été à Orléans – 3 €</title></item>").replace("\"1.0\"", &format!("\"1.0\" encoding=\"{encoding}\""))
    };
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode("Été à Orléans – 3 €");
    let latin = |encoding: &str| {
        let text = feed(encoding);
        let (before, after) = text.split_once("Été à Orléans – 3 €").expect("in the text");
        [before.as_bytes(), &latin, after.as_bytes()].concat()
    };
    let utf16 = || {
        "\u{feff}".chars().chain(feed("UTF-16").chars()).collect::<String>().encode_utf16().flat_map(u16::to_be_bytes).collect()
    };
    for (bytes, content_type) in [
        (feed("UTF-8").into_bytes(), None),
        (feed("ISO-8859-1").into_bytes(), None),
        (feed("UTF-16").into_bytes(), None),
        (feed("nonsense").into_bytes(), Some("text/xml; charset=nonsense")),
        (latin("ISO-8859-1"), None),
        (latin("UTF-8"), None),
        (latin("UTF-8"), Some("application/rss+xml; charset=UTF-8")),
        (utf16(), Some("text/xml")),
    ] {
        let page = parse(&bytes, content_type, None).expect("a feed");
        assert_eq!(titles(&page), ["Été à Orléans – 3 €"], "{content_type:?}");
    }
}

#[test]
fn a_feed_that_ends_in_the_middle_gives_what_is_complete() {
    let whole = rss("<item><guid>1</guid><title>un</title></item><item><guid>2</guid><title>deux</title><description>long");
    let page = read(&whole[..whole.find("</channel>").expect("in the text")]);
    assert_eq!(titles(&page), ["un"]);
    assert!(page.remarks[0].contains("ends in the middle"), "{:?}", page.remarks);
    assert_eq!(refused(b"<rss><channel><title>News</title><item><ti").code, "cut-short");
}

#[test]
fn items_without_identifier_get_one_that_stays() {
    let a = "<item><title>a</title><link>https://x.example/a</link></item>";
    let corrected = "<item><title>A, corrected</title><link>https://x.example/a</link></item>";
    let b = "<item><title>b</title><pubDate>Fri, 27 Mar 2026 09:00:00 GMT</pubDate></item>";
    let home = "<item><title>c</title><link>https://shop.example/</link></item><item><title>d</title><link>https://shop.example/</link></item>";
    let ids = |items: String| read(&rss(&items)).signals.into_iter().map(|s| s.id).collect::<Vec<_>>();
    let first = ids(format!("{a}{b}{home}"));
    assert_eq!(first.len(), 4);
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), 4, "{first:?}");
    assert_eq!(first, ids(format!("{a}{b}{home}")));
    assert_eq!(ids(format!("{corrected}{b}")), first[..2]);
    let only_c = ids("<item><title>c</title><link>https://shop.example/</link></item>".into());
    assert_eq!(only_c, first[2..3], "a link to the site itself does not tell items apart, alone or not");
}

#[test]
fn the_same_identifier_counts_once() {
    let page = read(&rss("<item><guid>1</guid><title>un</title></item><item><guid> 1 </guid><title>encore</title></item>"));
    assert_eq!(titles(&page), ["un"]);
    assert_eq!(page.remarks, ["Entries found more than once and kept once: 1."]);
}

#[test]
fn only_web_addresses_are_handed_on() {
    for (link, url) in [
        ("javascript:alert(1)", None),
        ("mailto:x@y.fr", None),
        ("file:///etc/passwd", None),
        ("../b", Some("https://shop.example/b")),
        ("//cdn.example/b", Some("https://cdn.example/b")),
        ("\n https://x.example/é è \n", Some("https://x.example/%C3%A9%20%C3%A8")),
    ] {
        let page = read(&rss(&format!("<item><title>x</title><link>{link}</link></item>")));
        assert_eq!(page.signals[0].url.as_deref(), url, "{link}");
    }
    let guid = read(&rss("<item><title>x</title><guid>https://x.example/7</guid></item>"));
    assert_eq!(guid.signals[0].url.as_deref(), Some("https://x.example/7"));
    let nowhere = parse(rss("<item><title>x</title><link>/a</link></item>").as_bytes(), None, None).expect("a feed");
    assert_eq!(nowhere.signals[0].url.as_deref(), Some("https://shop.example/a"), "the feed's site is the next best base");
}

#[test]
fn impossible_dates_are_no_dates() {
    let net = ScriptedNetwork::new();
    for (date, kept) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", false),
        ("Fri, 01 Jan 2100 00:00:00 GMT", false),
        ("0000-00-00T00:00:00Z", false),
        ("yesterday", false),
        ("27 mars 2026 09:00:00 +0100", true),
        ("Someday, 27 Mar 2026 09:00", true),
    ] {
        let body = rss(&format!("<item><title>x</title><pubDate>{date}</pubDate></item>")).into_bytes();
        net.answer(&format!("GET https://x.example/{}", date.len()), Ok(Response { status: 200, body, ..Response::default() }));
        let page = FeedSource::url(format!("https://x.example/{}", date.len())).poll(&call(&net), None).expect("a feed");
        assert_eq!(page.signals[0].published.is_some(), kept, "{date}");
    }
}

#[test]
fn long_texts_and_long_feeds_are_cut() {
    let item = |n: usize| {
        format!(
            "<item><guid>{n}</guid><title>{}</title><description>{}</description></item>",
            "titre ".repeat(80),
            "mot ".repeat(900)
        )
    };
    let page = read(&rss(&(0..600).map(item).collect::<String>()));
    assert_eq!(page.signals.len(), 500);
    assert!(page.remarks[0].contains("600 entries"), "{:?}", page.remarks);
    let signal = &page.signals[0];
    assert!(signal.title.chars().count() <= 300 && signal.title.ends_with('…'));
    assert!(signal.summary.chars().count() <= 2_000 && signal.summary.chars().count() > 1_950);
}

#[test]
fn trends_bring_their_traffic_and_headlines() {
    let page = read(
        "<rss xmlns:atom='http://www.w3.org/2005/Atom' xmlns:ht='https://trends.google.com/trending/rss' version='2.0'><channel>
         <title>Daily Search Trends</title><link>https://trends.google.com/trending/rss?geo=FR</link>
         <atom:link href='https://trends.google.com/trending/rss?geo=FR' rel='self'/>
         <item><title>galette</title><ht:approx_traffic>2000+</ht:approx_traffic><description></description>
           <link>https://trends.google.com/trending/rss?geo=FR</link><pubDate>Sat, 28 Mar 2026 00:10:00 -0700</pubDate>
           <ht:picture>https://x/p</ht:picture><ht:news_item><ht:news_item_title>La galette revient</ht:news_item_title>
           <ht:news_item_url>https://x/n</ht:news_item_url></ht:news_item></item>
         <item><title>brioche</title><ht:approx_traffic>500+</ht:approx_traffic><link>https://trends.google.com/trending/rss?geo=FR</link></item>
         </channel></rss>",
    );
    assert_eq!(titles(&page), ["galette", "brioche"]);
    assert_eq!(page.signals[0].summary, "2000+ searches. La galette revient");
    assert_eq!(page.signals[1].summary, "500+ searches");
    assert_ne!(page.signals[0].id, page.signals[1].id);
}

#[test]
fn what_is_no_feed_is_named() {
    let page = "<!DOCTYPE html><html><head><link rel=stylesheet href=x.css><link rel=\"alternate\" type=\"application/rss+xml\" \
                title='Actu > tout' href='/actu/rss?a=1&amp;b=2'></head><body><p>Bonjour</body></html>";
    let failure = refused(page.as_bytes());
    assert_eq!(failure.code, "web-page");
    assert!(failure.message.contains("\"https://shop.example/actu/rss?a=1&b=2\""), "{}", failure.message);
    assert!(refused(b"<html><body>hello</body></html>").message.contains("web page, not a feed"));
    assert_eq!(refused(b"%PDF-1.7 \xff\xfe").code, "not-a-feed");
    assert_eq!(refused(b" \n").code, "empty");
    assert!(read(&rss("")).signals.is_empty(), "a feed without items is a feed");
}

#[test]
fn an_unchanged_feed_is_not_read_again() {
    let net = ScriptedNetwork::new();
    let header = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    let ok = |title: &str| Response {
        status: 200,
        headers: vec![
            header("etag", "W/\"7\""),
            header("last-modified", "Sat, 28 Mar 2026 09:00:00 GMT"),
            header("content-type", "text/xml"),
        ],
        body: rss(&format!("<item><guid>1</guid><title>{title}</title></item>")).into_bytes(),
    };
    let url = "https://x.example/feed";
    let answers = [Ok(ok("a")), Ok(Response { status: 304, ..Response::default() }), Ok(ok("a")), Ok(ok("b")), Ok(ok("b"))];
    answers.into_iter().for_each(|a| net.answer(&format!("GET {url}"), a));
    let source = FeedSource::url(url);
    let poll = |since: Option<&String>| source.poll(&call(&net), since.map(String::as_str)).expect("a feed");
    let first = poll(None);
    let second = poll(first.cursor.as_ref());
    let third = poll(second.cursor.as_ref());
    let fourth = poll(third.cursor.as_ref());
    assert_eq!([first.unchanged, second.unchanged, third.unchanged, fourth.unchanged], [false, true, true, false]);
    assert_eq!((titles(&first), second.signals.len(), titles(&fourth)), (vec!["a"], 0, vec!["b"]));
    assert_eq!(poll(Some(&"not ours".to_owned())).signals.len(), 1);
    let sent = net.requests();
    let asked = |n: usize, name: &str| sent[n].headers.iter().find(|(h, _)| h == name).map(|(_, v)| v.as_str());
    assert_eq!((asked(0, "If-None-Match"), asked(1, "If-None-Match")), (None, Some("W/\"7\"")));
    assert_eq!(asked(2, "If-Modified-Since"), Some("Sat, 28 Mar 2026 09:00:00 GMT"));
    assert_eq!(asked(4, "If-None-Match"), None);

    net.answer("GET https://y.example/feed", Ok(ok("b")));
    let moved = FeedSource::url("https://y.example/feed").poll(&call(&net), fourth.cursor.as_deref()).expect("a feed");
    assert!(!moved.unchanged, "the cursor of another address says nothing about this one");
}

#[test]
fn statuses_are_named_after_what_to_do_next() {
    let minutes = |n: u64| Some(now().plus(Duration::from_secs(60 * n)));
    for (status, wait, expected) in [
        (410, None, "reject"),
        (401, None, "reject"),
        (404, None, "retry 6h"),
        (403, None, "retry 6h"),
        (429, None, "retry 1h"),
        (429, Some("120"), "retry 2m"),
        (503, Some("120"), "retry 2m"),
        (503, None, "retry"),
        (500, None, "retry"),
        (302, None, "reject"),
        (418, None, "reject"),
    ] {
        let net = ScriptedNetwork::new();
        let headers = wait.map(|w: &str| ("retry-after".to_owned(), w.to_owned())).into_iter().collect();
        net.answer("GET https://x.example/feed", Ok(Response { status, headers, body: Vec::new() }));
        let error = FeedSource::url("https://x.example/feed").poll(&call(&net), None).expect_err("no feed");
        let got = match &error {
            KindError::Reject(_) => "reject",
            KindError::Retry(_, None) => "retry",
            KindError::Retry(_, until) if *until == minutes(2) => "retry 2m",
            KindError::Retry(_, until) if *until == minutes(60) => "retry 1h",
            KindError::Retry(_, until) if *until == minutes(360) => "retry 6h",
            other => panic!("{status}: {other:?}"),
        };
        assert_eq!(got, expected, "{status}");
        assert_eq!(error.failure().code, format!("http-{status}"));
        assert!(error.failure().message.ends_with('.'), "{}", error.failure().message);
    }
}

#[test]
fn a_network_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let e = |f: fn(String) -> NetworkError| f("Sentence.".into());
    for (error, again) in [
        (e(NetworkError::NotSent), true),
        (e(NetworkError::Lost), true),
        (e(NetworkError::Forbidden), false),
        (e(NetworkError::TooLarge), false),
    ] {
        let net = ScriptedNetwork::new();
        net.answer("GET https://x.example/feed", Err(error.clone()));
        let got = FeedSource::url("https://x.example/feed").poll(&call(&net), None).expect_err("no feed");
        assert_eq!(matches!(got, KindError::Retry(..)), again, "{error:?}");
    }
}

#[test]
fn a_file_is_read_when_it_changes() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("feed.xml");
    let net = ScriptedNetwork::new();
    let source = FeedSource::file(&path);
    let missing = source.poll(&call(&net), None).expect_err("no file");
    assert!(
        matches!(&missing, KindError::Reject(f) if f.code == "file-missing" && f.message.contains("feed.xml")),
        "{missing:?}"
    );
    let french = source.poll(&Call { language: Language::Fr, ..call(&net) }, None).expect_err("no file");
    assert!(french.failure().message.contains("n'existe pas"), "{french}");
    let folder = FeedSource::file(dir.path()).poll(&call(&net), None).expect_err("a folder");
    assert!(matches!(&folder, KindError::Reject(f) if f.code == "not-a-file"), "{folder:?}");

    std::fs::write(&path, rss("<item><title>a</title></item>")).expect("written");
    let first = source.poll(&call(&net), None).expect("a feed");
    assert_eq!(titles(&first), ["a"]);
    assert!(source.poll(&call(&net), first.cursor.as_deref()).expect("a feed").unchanged);
    std::fs::write(&path, rss("<item><title>b</title></item>")).expect("written");
    assert_eq!(titles(&source.poll(&call(&net), first.cursor.as_deref()).expect("a feed")), ["b"]);
    std::fs::write(&path, "").expect("written");
    assert!(matches!(source.poll(&call(&net), None), Err(KindError::Retry(..))), "a file being written is empty for a moment");
    assert!(net.requests().is_empty());
}

/// Feeds of every family, to be damaged.
fn samples() -> Vec<String> {
    vec![
        rss("<item><guid>1</guid><title>Été &amp; <![CDATA[<b>x</b>]]></title><link>/a</link><pubDate>Fri, 27 Mar 2026 09:00:00 +0100</pubDate>\
             <author>Jean «jean@x.fr»</author><itunes:duration>99999999999999999999</itunes:duration><description>&lt;p&gt;é&lt;/p&gt;</description></item>\
             <item><title>b<br>c</title><media:content duration='99999999999999999999:00:00'/><dc:date>2026-03-01</dc:date></item>"),
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='https://a.example/'><entry><id>1</id><title type='html'>&lt;b&gt;</title>\
         <link href='é'/><content type='xhtml'><div>x<br/></div></content><updated>2026-03-01T00:00:00Z</updated></entry></feed>"
            .into(),
        "<rdf:RDF xmlns:rdf='x' xmlns:dc='http://purl.org/dc/elements/1.1/'><item rdf:about='u'><title>é</title><dc:date>2026</dc:date></item></rdf:RDF>".into(),
        r#"{"items":[{"id":1,"title":"é","url":"/x","date_published":"2026-03-01"},{"content_html":"<p>x"}]}"#.into(),
        "<!doctype html><link rel=alternate type=application/rss+xml href=é>".into(),
    ]
}

fn check_page(page: &SignalPage) -> Result<(), TestCaseError> {
    let mut ids = HashSet::new();
    for s in &page.signals {
        prop_assert!(ids.insert(&s.id), "{} twice", s.id);
        prop_assert!(!s.title.is_empty() && s.title.chars().count() <= 300 && !s.title.contains('\n'));
        prop_assert!(s.summary.chars().count() <= 2_000);
        prop_assert!(s.url.as_ref().is_none_or(|u| u.starts_with("http")));
    }
    prop_assert!(page.signals.len() <= 500);
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_a_page_or_a_sentence(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        match parse(&bytes, None, None) {
            Ok(page) => check_page(&page)?,
            Err(error) => prop_assert!(error.failure().message.ends_with('.')),
        }
    }

    #[test]
    fn a_damaged_feed_is_a_page_or_a_sentence(
        which in 0_usize..5,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..6, any::<u8>(), "[<>&;\"'/! é]{0,4}"), 0..12),
    ) {
        let mut bytes = samples().remove(which).into_bytes();
        for (at, length, byte, insert) in damage {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, insert.bytes().chain((length == 5).then_some(byte)));
        }
        let base = Some("https://shop.example/");
        match parse(&bytes, None, base) {
            Ok(page) => {
                check_page(&page)?;
                prop_assert_eq!(parse(&bytes, None, base), Ok(page), "the same bytes are the same page");
            }
            Err(error) => prop_assert!(error.failure().message.ends_with('.')),
        }
    }
}
