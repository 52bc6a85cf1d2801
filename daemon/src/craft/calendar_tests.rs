//! Findings on calendars that were made for them, and what holds for every calendar.

use super::*;
use proptest::prelude::*;

const ZONE: Zone = chrono_tz::Europe::Paris;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-12-{text}:00+01:00")).unwrap_or_else(|| panic!("{text}"))
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

/// A post that left when it wanted to.
fn post(id: u32, account: &str, when: Timestamp) -> Entry {
    Entry {
        id: format!("d{id}"),
        kind: Kind::Post,
        target: account.into(),
        workflow: "rotation".into(),
        state: "online".into(),
        reason: String::new(),
        planned: when,
        wanted: when,
        until: None,
        left: Some(when),
        ended: Some(when),
        text: format!("text {id}"),
        link: None,
        format: "post".into(),
        item: None,
        theme: None,
        why: Vec::new(),
        approval: "none".into(),
        approved: None,
        guard: None,
        waits: Vec::new(),
    }
}

fn account(name: &str) -> Account {
    Account { name: name.into(), spacing: hours(2), ..Account::default() }
}

fn span(accounts: Vec<Account>, entries: Vec<Entry>) -> Span {
    Span {
        from: at("01T00:00"),
        to: at("31T00:00"),
        zone: ZONE,
        language: Language::En,
        accounts,
        entries,
        before: BTreeMap::new(),
        ended: Vec::new(),
        library: Vec::new(),
        frozen: None,
    }
}

/// One post a day, at ten.
fn daily(account: &str, days: impl IntoIterator<Item = u32>) -> Vec<Entry> {
    days.into_iter().map(|day| post(day, account, at(&format!("{day:02}T10:00")))).collect()
}

fn found(span: &Span) -> Vec<(About, String)> {
    let all = findings(span, &Rules::default());
    assert!(all.iter().all(|f| f.sentence.ends_with('.') && !f.remedy.is_empty()), "{all:?}");
    all.into_iter().map(|f| (f.about, f.sentence)).collect()
}

#[test]
fn a_month_that_goes_as_planned_has_no_findings() {
    assert_eq!(found(&span(vec![account("a")], daily("a", 1..31))), []);
}

#[test]
fn a_silence_is_told_against_the_accounts_own_rhythm() {
    let quiet = found(&span(vec![account("a")], daily("a", (1..12).chain(16..31))));
    assert_eq!(quiet.len(), 1, "{quiet:?}");
    assert_eq!(quiet[0].0, About::Gap);
    assert!(quiet[0].1.contains("silent for 5\u{a0}days from 11\u{a0}December 10:00"), "{}", quiet[0].1);
    assert!(quiet[0].1.contains("usually 1\u{a0}day"), "{}", quiet[0].1);
    // The same silence is nothing for an account that posts every four days.
    assert_eq!(found(&span(vec![account("a")], daily("a", (1..31).step_by(5)))), []);
}

#[test]
fn an_account_that_nobody_feeds_is_told_once() {
    let nothing = found(&span(vec![account("a"), account("b")], daily("a", 1..31)));
    assert_eq!(nothing, [(About::Gap, "Nothing leaves to b in all that time.".to_owned())]);
}

#[test]
fn posts_in_each_others_way_are_told_once_with_the_worst_of_them() {
    let mut entries = daily("a", 1..31);
    for day in 1..31 {
        let mut later = post(100 + day, "a", at(&format!("{day:02}T11:00")));
        later.workflow = "promotions".into();
        later.left = Some(at(&format!("{day:02}T12:00")));
        entries.push(later);
    }
    let collisions = found(&span(vec![account("a")], entries));
    assert_eq!(collisions.len(), 1, "{collisions:?}");
    assert_eq!(collisions[0].0, About::Collision);
    assert_eq!(
        collisions[0].1,
        "On a, 30\u{a0}posts of \"promotions\" wait behind \"rotation\", because 2\u{a0}h lie between two posts; at worst 1\u{a0}h, from 1\u{a0}December 11:00 to 1\u{a0}December 12:00."
    );
}

#[test]
fn a_yes_is_waited_for_on_purpose_and_hours_are_told() {
    let mut entries = daily("a", 1..31);
    entries[3].approved = Some(at("04T12:00"));
    entries[3].left = Some(at("04T12:00"));
    let mut shop = account("a");
    assert_eq!(found(&span(vec![shop.clone()], entries.clone())), []);
    shop.hours = vec![(9 * 60, 18 * 60)];
    entries[5].wanted = at("06T05:00");
    entries[5].planned = at("06T05:00");
    let told = found(&span(vec![shop], entries));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 == About::Moved && told[0].1.contains("waits for the account's hours"), "{told:?}");
}

#[test]
fn guards_that_hold_and_windows_that_end_are_told_apart() {
    let mut entries = daily("a", 1..31);
    let mut held = post(50, "a", at("05T13:00"));
    (held.guard, held.left) = (Some(Guard::Holds), Some(at("05T18:30")));
    held.waits = vec![(at("05T13:00"), "only 2 are left".into())];
    let mut lost = post(51, "a", at("06T13:00"));
    (lost.guard, lost.left, lost.state) = (Some(Guard::Holds), None, "cancelled".into());
    (lost.until, lost.ended, lost.reason) = (Some(at("06T23:59")), Some(at("06T23:59")), "sold out".into());
    let mut unread = post(52, "a", at("07T13:00"));
    (unread.left, unread.state, unread.approval) = (None, "cancelled".into(), "needed".into());
    (unread.until, unread.ended) = (Some(at("08T13:00")), Some(at("08T13:00")));
    let mut taken_back = post(53, "a", at("09T13:00"));
    (taken_back.left, taken_back.state, taken_back.ended) = (None, "cancelled".into(), Some(at("09T14:00")));
    entries.extend([held, lost, unread, taken_back]);
    let told = found(&span(vec![account("a")], entries));
    let kinds: Vec<About> = told.iter().map(|(about, _)| *about).collect();
    assert_eq!(kinds, [About::Unsent, About::Guard, About::Guard], "{told:?}");
    assert!(told[0].1.contains("stays without an answer"), "{told:?}");
    assert!(told[1].1.contains("only 2 are left") && told[2].1.contains("sold out"), "{told:?}");
}

#[test]
fn a_stopped_account_is_told_with_what_stays_behind_and_not_as_a_silence_too() {
    let mut entries = daily("a", 1..31);
    for entry in &mut entries[9..] {
        (entry.left, entry.ended, entry.state) = (None, None, "held".into());
    }
    let stopped = Some(("the ceiling of 4 per day is reached".to_owned(), at("10T10:00")));
    let told = found(&span(vec![Account { stopped, ..account("a") }], entries));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 == About::Breach && told[0].1.contains("21\u{a0}posts stay behind"), "{told:?}");
}

#[test]
fn the_same_item_on_two_accounts_within_the_hour_is_told_once() {
    let mut entries = daily("a", 1..31);
    entries.extend(daily("b", 1..31).into_iter().map(|e| Entry { id: format!("{}b", e.id), text: format!("{} b", e.text), ..e }));
    for entry in &mut entries {
        if entry.at() < at("03T00:00") {
            entry.item = Some(format!("item {}", entry.at().day(ZONE)));
        }
    }
    let told = found(&span(vec![account("a"), account("b")], entries));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.starts_with("a and b say the same within 1\u{a0}h, 2\u{a0}times"), "{told:?}");
}

#[test]
fn items_that_nobody_takes_and_items_that_are_used_up_are_told() {
    let mut entries = daily("a", 1..31);
    entries[0].item = Some("bread".into());
    let fits = vec!["a".to_owned()];
    let shelf = |id: &str| Shelved { id: id.into(), title: id.to_uppercase(), fits: fits.clone(), ..Shelved::default() };
    let mut calendar = span(vec![account("a")], entries);
    calendar.library = vec![
        Shelved { max_uses: Some(1), uses: BTreeMap::from([("a".to_owned(), 1)]), ..shelf("bread") },
        shelf("cake"),
        Shelved { fits: vec!["c".into()], ..shelf("elsewhere") },
        // Spent before: it could not be used.
        Shelved { max_uses: Some(2), uses: BTreeMap::from([("a".to_owned(), 2)]), ..shelf("spent") },
    ];
    let told = found(&calendar);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|(about, _)| *about == About::Starved));
    assert!(told[0].1.contains("1\u{a0}item of the library could be used and is not: \"CAKE\""), "{told:?}");
    assert!(told[1].1.contains("\"BREAD\" is used up on a"), "{told:?}");
}

#[test]
fn workflows_that_do_not_run_and_drafts_that_wait_are_told() {
    let mut entries = daily("a", 1..31);
    let mut draft = post(60, "a", at("20T09:00"));
    (draft.left, draft.ended, draft.state, draft.approval) = (None, None, "held".into(), "needed".into());
    entries.push(draft);
    let mut calendar = span(vec![account("a")], entries);
    calendar.frozen = Some("holidays".into());
    let (workflow, reason) = ("trends".to_owned(), "the feed is down.\nmore".to_owned());
    calendar.ended = vec![Ended { workflow, fate: "failed".into(), count: 3, first: at("02T07:00"), reason }];
    let told = found(&calendar);
    let kinds: Vec<About> = told.iter().map(|(about, _)| *about).collect();
    assert_eq!(kinds, [About::Stopped, About::Workflow, About::Draft], "{told:?}");
    assert_eq!(told[1].1, "The workflow \"trends\" fails, 3\u{a0}times; first on 2\u{a0}December 07:00: the feed is down.");
    assert_eq!(told[2].1, "At the end 1\u{a0}draft still waits for your yes; the oldest since 20\u{a0}December 09:00.");
}

#[test]
fn days_hold_every_entry_once_also_when_the_clocks_change() {
    let from = Timestamp::parse("2026-10-24T00:00:00+02:00").expect("an instant");
    let mut calendar = span(vec![account("a")], Vec::new());
    (calendar.from, calendar.to) = (from, Timestamp::parse("2026-10-27T00:00:00+01:00").expect("an instant"));
    calendar.entries = (0..73).map(|n| post(n, "a", from.plus(hours(u64::from(n))))).collect();
    let days = calendar.days();
    let counts: Vec<usize> = days.iter().map(|day| day.entries.len()).collect();
    assert_eq!(counts, [24, 25, 24]);
    assert_eq!(days[2].date.to_string(), "2026-10-26");
}

proptest! {
    #[test]
    fn whatever_the_calendar_the_findings_keep_their_order_and_name_posts_that_are_there(
        posts in proptest::collection::vec((0_u32..3, 0_u64..720, 0_u64..90, 0_u8..5, any::<bool>()), 0..60),
        spacing in 0_u64..30,
        stopped in proptest::option::of(0_u64..720),
        french in any::<bool>(),
    ) {
        let accounts: Vec<Account> = (0..3).map(|n| Account {
            name: format!("a{n}"), spacing: hours(spacing), hours: vec![(480, 1_140)],
            stopped: stopped.filter(|_| n == 1).map(|h| ("a reason".into(), at("01T00:00").plus(hours(h)))),
        }).collect();
        let entries: Vec<Entry> = posts.iter().enumerate().map(|(n, (who, when, late, state, guarded))| {
            let wanted = at("01T00:00").plus(hours(*when));
            let mut entry = post(u32::try_from(n).unwrap_or(0), &format!("a{who}"), wanted);
            let left = wanted.plus(hours(*late));
            entry.state = ["online", "held", "cancelled", "refused", "unknown"][usize::from(*state)].into();
            entry.left = (*state == 0).then_some(left);
            entry.ended = (*state != 1).then_some(left);
            entry.until = guarded.then_some(wanted.plus(hours(20)));
            entry.guard = guarded.then_some(Guard::Holds);
            entry.item = (n % 3 == 0).then(|| format!("item {}", n % 7));
            entry
        }).collect();
        let mut calendar = span(accounts, entries);
        calendar.language = if french { Language::Fr } else { Language::En };
        let told = findings(&calendar, &Rules::default());
        prop_assert!(told.windows(2).all(|w| (w[0].about, w[0].at) <= (w[1].about, w[1].at)));
        for finding in &told {
            prop_assert!(finding.sentence.ends_with('.') && finding.at >= calendar.from, "{finding:?}");
            prop_assert!(finding.posts.iter().all(|id| calendar.entries.iter().any(|e| e.id == *id)));
        }
        let listed: usize = calendar.days().iter().map(|day| day.entries.len()).sum();
        prop_assert_eq!(listed, calendar.entries.len());
        prop_assert_eq!(findings(&calendar, &Rules::default()), told);
    }
}
