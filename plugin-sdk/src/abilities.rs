//! What a plugin can be: one trait for each interface that a plugin may export.
//!
//! In: the author's `impl`. Out: what the export macros of the bindings ask for.
//! Never: a default method that does nothing; an ability that a plugin has not is one that it does not list.

use crate::bindings;
use crate::values::{
    Error, Finding, Generation, InboxPage, Notice, Outcome, Post, Preparation, Problem, Prompt, Receipt, Sample, SignalPage,
    StockPage, Trigger,
};

/// What every plugin does.
pub trait Plugin {
    /// Whether it works: credential accepted, remote reachable, settings sane. Changes nothing anywhere. Gives the name
    /// to show, such as `@boulangerie`.
    ///
    /// # Errors
    /// What is wrong, named after what the daemon does next.
    fn check() -> Result<String, Error>;
}

/// Publishes posts: the one thing that a channel must do.
pub trait Publish {
    /// Every reason why this post would be refused, without asking the remote.
    fn validate(post: &Post) -> Vec<Problem>;

    /// Puts the post online. `delivery` is the same for every attempt; `prepared` is the last handle of [`Prepare`].
    ///
    /// # Errors
    /// `Uncertain` when the post may be online although no answer says so.
    fn publish(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Outcome, Error>;
}

/// Uploads, containers, identifiers chosen in advance: all that may be repeated without a post appearing.
pub trait Prepare {
    /// Takes the next safe step. `so_far` is the handle of the step before, none at first.
    ///
    /// # Errors
    /// What is wrong, named after what the daemon does next.
    fn prepare(delivery: &str, post: &Post, so_far: Option<&str>) -> Result<Preparation, Error>;
}

/// Tells whether a publish without an answer took effect.
pub trait Lookup {
    /// Looks. [`Finding::Unsure`] when this remote cannot prove absence.
    ///
    /// # Errors
    /// When it could not look.
    fn find(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Finding, Error>;
}

/// Takes posts down.
pub trait Unpublish {
    /// Succeeds when the post is gone, also when it was gone before.
    ///
    /// # Errors
    /// When it is not known to be gone.
    fn unpublish(remote_id: &str) -> Result<(), Error>;
}

/// Tells how posts did.
pub trait Metrics {
    /// Reads the figures of these posts and of the account, in as few requests as possible.
    ///
    /// # Errors
    /// When the figures could not be read.
    fn read(remote_ids: &[String]) -> Result<Vec<Sample>, Error>;
}

/// Brings comments, mentions and messages.
pub trait Inbox {
    /// What came since; at a first read, a recent page only.
    ///
    /// # Errors
    /// When it could not be read.
    fn poll(since: Option<&str>) -> Result<InboxPage, Error>;
}

/// Reads trends, news, events.
pub trait Feed {
    /// What is there now; `since` is the cursor of the last good read.
    ///
    /// # Errors
    /// When it could not be read.
    fn poll(since: Option<&str>) -> Result<SignalPage, Error>;
}

/// Reads products, stock and prices.
pub trait Stock {
    /// What changed since, or the whole.
    ///
    /// # Errors
    /// When it could not be read.
    fn poll(since: Option<&str>) -> Result<StockPage, Error>;
}

/// Writes text.
pub trait Generate {
    /// Writes up to `variants` texts.
    ///
    /// # Errors
    /// When nothing could be written.
    fn generate(prompt: &Prompt) -> Result<Generation, Error>;
}

/// Tells people something.
pub trait Notify {
    /// Sends a notice. `delivery` is the same for every attempt.
    ///
    /// # Errors
    /// `Uncertain` when it may have arrived although no answer says so.
    fn notify(delivery: &str, notice: &Notice) -> Result<Receipt, Error>;
}

/// A workflow written as a plugin; what it sees and plans is in [`desk`](crate::desk).
pub trait Workflow {
    /// Runs once, and gives a line for the list of runs.
    ///
    /// # Errors
    /// What it planned is dropped then.
    fn run(trigger: &Trigger) -> Result<String, Error>;
}

/// Hands a function of the contract to the trait's, with borrowed parameters.
macro_rules! guest {
    ($trait:ident, $module:ident, $($function:ident($($name:ident: $kind:ty = $pass:expr),*) -> $returns:ty;)*) => {
        impl<T: $trait> bindings::$module::exports::beffroi::plugin::$module::Guest for T {
            $(fn $function($($name: $kind),*) -> $returns {
                <T as $trait>::$function($($pass),*)
            })*
        }
    };
}

guest!(Plugin, plugin, check() -> Result<String, Error>;);
guest!(Publish, publish,
    validate(post: Post = &post) -> Vec<Problem>;
    publish(delivery: String = &delivery, post: Post = &post, prepared: Option<String> = prepared.as_deref())
        -> Result<Outcome, Error>;
);
guest!(Prepare, prepare,
    prepare(delivery: String = &delivery, post: Post = &post, so_far: Option<String> = so_far.as_deref())
        -> Result<Preparation, Error>;
);
guest!(Lookup, lookup,
    find(delivery: String = &delivery, post: Post = &post, prepared: Option<String> = prepared.as_deref())
        -> Result<Finding, Error>;
);
guest!(Unpublish, unpublish, unpublish(remote_id: String = &remote_id) -> Result<(), Error>;);
guest!(Metrics, metrics, read(remote_ids: Vec<String> = &remote_ids) -> Result<Vec<Sample>, Error>;);
guest!(Inbox, inbox, poll(since: Option<String> = since.as_deref()) -> Result<InboxPage, Error>;);
guest!(Feed, feed, poll(since: Option<String> = since.as_deref()) -> Result<SignalPage, Error>;);
guest!(Stock, stock, poll(since: Option<String> = since.as_deref()) -> Result<StockPage, Error>;);
guest!(Generate, generate, generate(prompt: Prompt = &prompt) -> Result<Generation, Error>;);
guest!(Notify, notify, notify(delivery: String = &delivery, notice: Notice = &notice) -> Result<Receipt, Error>;);
guest!(Workflow, workflow, run(trigger: Trigger = &trigger) -> Result<String, Error>;);

/// Makes a component of a plugin: the abilities listed here are exactly those that it has.
///
/// ```
/// use beffroi_plugin::prelude::*;
///
/// struct Wall;
///
/// impl Plugin for Wall {
///     fn check() -> Result<String, Error> {
///         Ok("the wall".to_owned())
///     }
/// }
///
/// impl Notify for Wall {
///     fn notify(delivery: &str, notice: &Notice) -> Result<Receipt, Error> {
///         http::post("https://wall.example.com/notes").json(&json!({ "id": delivery, "text": notice.text })).send()?;
///         Ok(Receipt { remote_id: delivery.to_owned(), url: None })
///     }
/// }
///
/// beffroi_plugin::export!(Wall: notify);
/// # fn main() {}
/// ```
///
/// Away from WASM, as in tests, it only checks that the traits are there.
#[macro_export]
macro_rules! export {
    ($plugin:ident : $($ability:ident),* $(,)?) => {
        $crate::__ability!($plugin plugin);
        $($crate::__ability!($plugin $ability);)*
    };
    ($plugin:ident) => {
        compile_error!("say what the plugin can do, such as beffroi_plugin::export!(Bluesky: publish, lookup);");
    };
}

/// One ability of [`export!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __ability {
    ($plugin:ident plugin) => { $crate::__ability!(@ $plugin Plugin plugin export_plugin); };
    ($plugin:ident publish) => { $crate::__ability!(@ $plugin Publish publish export_publish); };
    ($plugin:ident prepare) => { $crate::__ability!(@ $plugin Prepare prepare export_prepare); };
    ($plugin:ident lookup) => { $crate::__ability!(@ $plugin Lookup lookup export_lookup); };
    ($plugin:ident unpublish) => { $crate::__ability!(@ $plugin Unpublish unpublish export_unpublish); };
    ($plugin:ident metrics) => { $crate::__ability!(@ $plugin Metrics metrics export_metrics); };
    ($plugin:ident inbox) => { $crate::__ability!(@ $plugin Inbox inbox export_inbox); };
    ($plugin:ident feed) => { $crate::__ability!(@ $plugin Feed feed export_feed); };
    ($plugin:ident stock) => { $crate::__ability!(@ $plugin Stock stock export_stock); };
    ($plugin:ident generate) => { $crate::__ability!(@ $plugin Generate generate export_generate); };
    ($plugin:ident notify) => { $crate::__ability!(@ $plugin Notify notify export_notify); };
    ($plugin:ident workflow) => { $crate::__ability!(@ $plugin Workflow workflow export_workflow); };
    ($plugin:ident $other:ident) => {
        compile_error!(concat!(
            "there is no ability `",
            stringify!($other),
            "`; there are publish, prepare, lookup, unpublish, metrics, inbox, feed, stock, generate, notify and workflow"
        ));
    };
    (@ $plugin:ident $trait:ident $module:ident $export:ident) => {
        const _: () = {
            const fn has_ability<T: $crate::$trait>() {}
            has_ability::<$plugin>();
        };
        #[cfg(target_family = "wasm")]
        $crate::bindings::$module::$export!($plugin with_types_in $crate::bindings::glue::$module);
    };
}
