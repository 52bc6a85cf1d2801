//! Posts to a service with a small JSON interface: replace it by the one you want to reach.

use beffroi_plugin::prelude::*;

/// Most characters the service takes.
const LONGEST: usize = 500;

struct Channel;

#[derive(Deserialize)]
struct Settings {
    service: String,
}

#[derive(Deserialize)]
struct Me {
    name: String,
}

#[derive(Deserialize)]
struct Online {
    id: String,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    posts: Vec<Online>,
}

/// An address at the service.
fn at(path: &str) -> Result<String, Error> {
    Ok(format!("{}{path}", settings::get::<Settings>()?.service.trim_end_matches('/')))
}

impl Plugin for Channel {
    fn check() -> Result<String, Error> {
        Ok(http::get(at("/me")?).credential("token").send()?.json::<Me>()?.name)
    }
}

impl Publish for Channel {
    fn validate(post: &Post) -> Vec<Problem> {
        let mut problems = Vec::new();
        if post.text.trim().is_empty() {
            problems.push(Problem::new("text-empty", pick("Le texte est vide. Écrivez-en un.", "The text is empty. Write one.")));
        }
        let long = post.text.chars().count();
        if long > LONGEST {
            let (fr, en) = (
                format!("Le texte a {long} caractères ; {LONGEST} au plus. Raccourcissez-le."),
                format!("The text has {long} characters; {LONGEST} at most. Shorten it."),
            );
            problems.push(Problem::new("text-too-long", pick(fr, en)));
        }
        problems
    }

    fn publish(delivery: &str, post: &Post, _prepared: Option<&str>) -> Result<Outcome, Error> {
        // The service remembers the key: should this be sent twice, there is one post.
        let answer = http::post(at("/posts")?)
            .credential("token")
            .header("idempotency-key", delivery)
            .json(&json!({ "key": delivery, "text": post.text, "link": post.link }))
            .send()?;
        let online: Online = answer.json()?;
        Ok(Outcome::Online(Receipt::new(online.id, online.url)))
    }
}

impl Lookup for Channel {
    fn find(delivery: &str, _post: &Post, _prepared: Option<&str>) -> Result<Finding, Error> {
        let found: Found = http::get(at("/posts")?).query("key", delivery).credential("token").send()?.json()?;
        Ok(match found.posts.into_iter().next() {
            Some(online) => Finding::Online(Receipt::new(online.id, online.url)),
            None => Finding::Absent,
        })
    }
}

beffroi_plugin::export!(Channel: publish, lookup);

#[cfg(test)]
mod tests {
    use super::*;
    use beffroi_plugin::fake::{Answer, Host};

    fn host() -> Host {
        Host::new().settings(json!({ "service": "https://api.example.com" }))
    }

    #[test]
    fn a_post_carries_its_delivery_as_key() {
        let host = host().answer("POST https://api.example.com/posts", Answer::json(201, json!({ "id": "42" })));
        let outcome = host.run(|| Channel::publish("d-1", &Post::new("Bonjour"), None));
        assert_eq!(outcome, Ok(Outcome::Online(Receipt::new("42", None))));
        assert_eq!(host.requests()[0].header("idempotency-key"), Some("d-1"));
    }

    #[test]
    fn a_lost_answer_is_uncertain_and_never_sent_again_by_itself() {
        let host = host().answer("POST https://api.example.com/posts", Answer::lost());
        let outcome = host.run(|| Channel::publish("d-1", &Post::new("Bonjour"), None));
        assert!(matches!(outcome, Err(Error::Uncertain(_))), "{outcome:?}");
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let host = host().answer("GET https://api.example.com/posts", Answer::json(200, json!({ "posts": [] })));
        assert_eq!(host.run(|| Channel::find("d-1", &Post::new("Bonjour"), None)), Ok(Finding::Absent));
    }

    #[test]
    fn an_empty_text_is_objected_to() {
        assert_eq!(host().run(|| Channel::validate(&Post::new(" "))).len(), 1);
    }
}
