//! The host's functions as the bindings have them, answered by the fake.
//!
//! In: calls of the modules that plugins use. Out: what the test scripted. Never: an answer that nobody wrote.

pub(crate) mod run {
    use crate::fake::with;

    pub(crate) fn id() -> String {
        with(|w| w.id.clone())
    }
    pub(crate) fn now() -> u64 {
        with(|w| w.now)
    }
    pub(crate) fn attempt() -> u32 {
        with(|w| w.attempt)
    }
    pub(crate) fn time_left() -> u64 {
        with(|w| w.time_left)
    }
    pub(crate) fn name() -> String {
        with(|w| w.name.clone())
    }
    pub(crate) fn time_zone() -> String {
        with(|w| w.time_zone.clone())
    }
    pub(crate) fn language() -> String {
        with(|w| w.language.clone())
    }
}

pub(crate) mod log {
    use crate::bindings::contract::log::Level;
    use crate::fake::{Line, with};
    use crate::values::Attribute;

    pub(crate) fn write(level: Level, message: &str, fields: &[Attribute]) {
        with(|w| w.log.push(Line { level, message: message.to_owned(), fields: fields.to_vec() }));
    }
}

pub(crate) mod settings {
    use crate::fake::with;

    pub(crate) fn get() -> String {
        with(|w| w.settings.to_string())
    }
}

pub(crate) mod state {
    use crate::fake::with;

    const LONGEST_KEY: usize = 256;

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        with(|w| w.draft.get(key).cloned())
    }

    pub(crate) fn set(key: &str, value: &[u8]) -> Result<(), String> {
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err("The key is empty or longer than 256 bytes.".to_owned());
        }
        with(|w| {
            let others: usize = w.draft.iter().filter(|(k, _)| *k != key).map(|(k, v)| k.len() + v.len()).sum();
            if others + key.len() + value.len() > w.quota {
                return Err("The quota of the state is used up.".to_owned());
            }
            w.draft.insert(key.to_owned(), value.to_vec());
            Ok(())
        })
    }

    pub(crate) fn remove(key: &str) {
        with(|w| w.draft.remove(key));
    }

    pub(crate) fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        with(|w| {
            let fits = |k: &&String| k.starts_with(prefix) && after.is_none_or(|a| k.as_str() > a);
            w.draft.keys().filter(fits).take(limit as usize).cloned().collect()
        })
    }
}

pub(crate) mod media {
    use crate::fake::with;

    pub(crate) fn read(id: &str, offset: u64, length: u32) -> Result<Vec<u8>, String> {
        with(|w| {
            let (_, bytes) = w.files.get(id).ok_or("There is no such file in this call.")?;
            let start = usize::try_from(offset).ok().filter(|s| *s <= bytes.len()).ok_or("The range is outside the file.")?;
            let end = bytes.len().min(start + length as usize);
            Ok(bytes[start..end].to_vec())
        })
    }
}

pub(crate) mod http {
    use crate::bindings::contract::http::{HttpError, Request, Response};
    use crate::fake::{Fate, Killed, Sent, World, panic_any, with};

    pub(crate) fn send(request: &Request) -> Result<Response, HttpError> {
        let sent = Sent {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect(),
            body: request.body.clone(),
            credential: request.credential.clone(),
        };
        let fate = with(|w| {
            w.requests.push(sent.clone());
            next(w, &sent)
        });
        match fate {
            Some(Fate::Response { status, headers, body }) => Ok(Response { status, headers, body }),
            Some(Fate::Error(error)) => Err(error),
            Some(Fate::Death) => panic_any(Killed),
            None => panic!("nothing answers {} {}; script it with `answer`", request.method, request.url),
        }
    }

    fn next(world: &mut World, sent: &Sent) -> Option<Fate> {
        let (method, url) = (&sent.method, &sent.url);
        let bare = url.split('?').next().unwrap_or(url);
        let keys = [format!("{method} {url}"), format!("{method} {bare}")];
        let Some(key) = keys.iter().find(|k| world.answers.contains_key(*k)) else {
            return world.remote.as_mut().and_then(|remote| remote(sent)).map(|answer| answer.0);
        };
        let answers = world.answers.get_mut(key)?;
        if answers.len() > 1 { answers.pop_front().map(|a| a.0) } else { answers.front().map(|a| a.0.clone()) }
    }

    pub(crate) fn sign(credential: &str, _data: &[u8]) -> Result<Vec<u8>, HttpError> {
        let missing = || HttpError::NoCredential(format!("There is no credential {credential}."));
        with(|w| w.signatures.get(credential).cloned()).ok_or_else(missing)
    }
}
