//! Tells people by a service with a small JSON interface: replace it by the one you want to use.

use beffroi_plugin::prelude::*;

struct Notifier;

#[derive(Deserialize)]
struct Settings {
    service: String,
}

#[derive(Deserialize)]
struct Me {
    name: String,
}

#[derive(Deserialize)]
struct Sent {
    id: String,
}

/// An address at the service.
fn at(path: &str) -> Result<String, Error> {
    Ok(format!("{}{path}", settings::get::<Settings>()?.service.trim_end_matches('/')))
}

impl Plugin for Notifier {
    fn check() -> Result<String, Error> {
        Ok(http::get(at("/me")?).credential("token").send()?.json::<Me>()?.name)
    }
}

impl Notify for Notifier {
    fn notify(delivery: &str, notice: &Notice) -> Result<Receipt, Error> {
        // The service remembers the key: should this be sent twice, one message arrives.
        let answer = http::post(at("/messages")?)
            .credential("token")
            .header("idempotency-key", delivery)
            .json(&json!({ "title": notice.title, "text": notice.text }))
            .send()?;
        Ok(Receipt::new(answer.json::<Sent>()?.id, None))
    }
}

beffroi_plugin::export!(Notifier: notify);

#[cfg(test)]
mod tests {
    use super::*;
    use beffroi_plugin::fake::{Answer, Host};

    #[test]
    fn a_lost_answer_is_uncertain() {
        let host = Host::new()
            .settings(json!({ "service": "https://api.example.com" }))
            .answer("POST https://api.example.com/messages", Answer::lost());
        let notice = Notice { kind: "note".to_owned(), title: "Demain".to_owned(), text: "Huit heures.".to_owned(), html: None };
        let told = host.run(|| Notifier::notify("n-1", &notice));
        assert!(matches!(told, Err(Error::Uncertain(_))), "{told:?}");
        assert_eq!(host.requests()[0].header("idempotency-key"), Some("n-1"));
    }
}
