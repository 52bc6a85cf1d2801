//! The way into a channel, with each value's crossing in the component once.
//!
//! In: what the host hands to an exported function. Out: what the function gives back, laid out for the host.
//! Never: a layout written by hand. A world that nobody exports has one function for each value that crosses; what
//! is generated for those does the work of all exports that share the value. What gives an answer has a number in place of the error, which takes as much
//! alignment and no code; errors go their own way. Generated export by export, the same errors
//! and posts would be taken apart and put together in each: 20 KB of a channel.
//!
//! Nothing is freed after a call: the host makes an instance for each.

use super::contract::post_types::{Finding, Outcome, Post, Preparation};
use super::contract::types::Error;
use super::inbox::exports::beffroi::plugin::inbox::Page;
use super::metrics::exports::beffroi::plugin::metrics::Sample;
use std::cell::Cell;
use std::mem::ManuallyDrop;

mod parts {
    wit_bindgen::generate!({
        inline: "
            package beffroi:sdk;
            interface parts {
                use beffroi:plugin/types@0.1.0.{error};
                use beffroi:plugin/post-types@0.1.0.{post, outcome, preparation, finding};
                use beffroi:plugin/metrics@0.1.0.{sample};
                use beffroi:plugin/inbox@0.1.0.{page};
                take-post: func(delivery: string, post: post, handle: option<string>);
                take-text: func(text: string);
                take-maybe: func(text: option<string>);
                take-texts: func(texts: list<string>);
                give-error: func() -> result<_, error>;
                give-nothing: func() -> result<_, u64>;
                give-text: func() -> result<string, u64>;
                give-outcome: func() -> result<outcome, u64>;
                give-preparation: func() -> result<preparation, u64>;
                give-finding: func() -> result<finding, u64>;
                give-samples: func() -> result<list<sample>, u64>;
                give-page: func() -> result<page, u64>;
            }
            world all-parts { export parts; }
        ",
        path: "wit",
        world: "beffroi:sdk/all-parts",
        generate_all,
        // In a macro, which nobody calls, is the world's own section: it must not get into a component.
        pub_export_macro: true,
        export_macro_name: "export_parts",
        default_bindings_module: "beffroi_plugin::bindings::glue::parts",
        with: {
            "beffroi:plugin/types@0.1.0": crate::bindings::contract::types,
            "beffroi:plugin/media@0.1.0": crate::bindings::contract::media,
            "beffroi:plugin/post-types@0.1.0": crate::bindings::contract::post_types,
            "beffroi:plugin/metrics@0.1.0": crate::bindings::metrics::exports::beffroi::plugin::metrics,
            "beffroi:plugin/inbox@0.1.0": crate::bindings::inbox::exports::beffroi::plugin::inbox,
        },
    });
}
pub use super::{feed, generate, notify, stock, workflow};
use parts::exports::beffroi::sdk::parts as generated;

/// What is under way between an export and the part that carries it over.
struct Slot<T>(Cell<Option<ManuallyDrop<T>>>);

impl<T> Slot<T> {
    const fn new() -> Self {
        Self(Cell::new(None))
    }

    fn put(&self, value: T) {
        self.0.set(Some(ManuallyDrop::new(value)));
    }

    fn take(&self) -> T {
        ManuallyDrop::into_inner(self.0.take().expect("a part is asked for what was put there"))
    }
}

thread_local! {
    static POST: Slot<(String, Post, Option<String>)> = const { Slot::new() };
    static TEXT: Slot<String> = const { Slot::new() };
    static MAYBE: Slot<Option<String>> = const { Slot::new() };
    static TEXTS: Slot<Vec<String>> = const { Slot::new() };
    static ERROR: Slot<Error> = const { Slot::new() };
    static OUTCOME: Slot<Outcome> = const { Slot::new() };
    static PREPARATION: Slot<Preparation> = const { Slot::new() };
    static FINDING: Slot<Finding> = const { Slot::new() };
    static SAMPLES: Slot<Vec<Sample>> = const { Slot::new() };
    static PAGE: Slot<Page> = const { Slot::new() };
}

/// Gives to the host, and takes from it, what is in the slots.
struct Parts;

impl generated::Guest for Parts {
    fn take_post(delivery: String, post: Post, handle: Option<String>) {
        POST.with(|slot| slot.put((delivery, post, handle)));
    }

    fn take_text(text: String) {
        TEXT.with(|slot| slot.put(text));
    }

    fn take_maybe(text: Option<String>) {
        MAYBE.with(|slot| slot.put(text));
    }

    fn take_texts(texts: Vec<String>) {
        TEXTS.with(|slot| slot.put(texts));
    }

    fn give_error() -> Result<(), Error> {
        Err(ERROR.with(Slot::take))
    }

    fn give_nothing() -> Result<(), u64> {
        Ok(())
    }

    fn give_text() -> Result<String, u64> {
        Ok(TEXT.with(Slot::take))
    }

    fn give_outcome() -> Result<Outcome, u64> {
        Ok(OUTCOME.with(Slot::take))
    }

    fn give_preparation() -> Result<Preparation, u64> {
        Ok(PREPARATION.with(Slot::take))
    }

    fn give_finding() -> Result<Finding, u64> {
        Ok(FINDING.with(Slot::take))
    }

    fn give_samples() -> Result<Vec<Sample>, u64> {
        Ok(SAMPLES.with(Slot::take))
    }

    fn give_page() -> Result<Page, u64> {
        Ok(PAGE.with(Slot::take))
    }
}

/// Lays an error out. It lies at the same place in every result of the contract: behind the sign, at the alignment of its own.
#[inline(never)]
fn failed(error: Error) -> *mut u8 {
    ERROR.with(|slot| slot.put(error));
    // Safety: the function has no parameters.
    unsafe { generated::_export_give_error_cabi::<Parts>() }
}

/// What the generated export macros look for: the same names as in the bindings, with other functions behind some.
macro_rules! entrance {
    ($module:ident: $($export:ident, $after:ident, $trait:ident::$function:ident
        ($($raw:ident: $kind:ty),*) $(take $take:ident $raws:tt $from:ident $pattern:tt)? -> ($($pass:expr),*) give $give:ident $($to:ident)?;)*) => {
        pub mod $module {
            pub mod exports {
                pub mod beffroi {
                    pub mod plugin {
                        pub mod $module {
                            use crate::bindings::glue;
                            pub use crate::bindings::$module::exports::beffroi::plugin::$module::*;

                            $(
                                #[doc(hidden)]
                                pub unsafe fn $export<T: crate::$trait>($($raw: $kind),*) -> *mut u8 {
                                    $(
                                        // Safety: the parameters are those of the contract, which the part has, too.
                                        unsafe { glue::generated::$take::<glue::Parts> $raws };
                                        let $pattern = glue::$from.with(glue::Slot::take);
                                    )?
                                    match T::$function($($pass),*) {
                                        Ok(_answer) => {
                                            $(glue::$to.with(|slot| slot.put(_answer));)?
                                            // Safety: the function has no parameters.
                                            unsafe { glue::generated::$give::<glue::Parts>() }
                                        }
                                        Err(error) => glue::failed(error),
                                    }
                                }

                                #[doc(hidden)]
                                pub unsafe fn $after<T>(_answer: *mut u8) {}
                            )*
                        }
                    }
                }
            }
        }
    };
}

entrance!(plugin: _export_check_cabi, __post_return_check, Plugin::check() -> () give _export_give_text_cabi TEXT;);
entrance!(publish: _export_publish_cabi, __post_return_publish, Publish::publish(call: *mut u8)
    take _export_take_post_cabi(call) POST (delivery, post, handle) -> (&delivery, &post, handle.as_deref())
    give _export_give_outcome_cabi OUTCOME;);
entrance!(prepare: _export_prepare_cabi, __post_return_prepare, Prepare::prepare(call: *mut u8)
    take _export_take_post_cabi(call) POST (delivery, post, handle) -> (&delivery, &post, handle.as_deref())
    give _export_give_preparation_cabi PREPARATION;);
entrance!(lookup: _export_find_cabi, __post_return_find, Lookup::find(call: *mut u8)
    take _export_take_post_cabi(call) POST (delivery, post, handle) -> (&delivery, &post, handle.as_deref())
    give _export_give_finding_cabi FINDING;);
entrance!(unpublish: _export_unpublish_cabi, __post_return_unpublish, Unpublish::unpublish(text: *mut u8, length: usize)
    take _export_take_text_cabi(text, length) TEXT remote_id -> (&remote_id) give _export_give_nothing_cabi;);
entrance!(metrics: _export_read_cabi, __post_return_read, Metrics::read(texts: *mut u8, length: usize)
    take _export_take_texts_cabi(texts, length) TEXTS remote_ids -> (&remote_ids) give _export_give_samples_cabi SAMPLES;);
entrance!(inbox: _export_poll_cabi, __post_return_poll, Inbox::poll(there: i32, text: *mut u8, length: usize)
    take _export_take_maybe_cabi(there, text, length) MAYBE since -> (since.as_deref()) give _export_give_page_cabi PAGE;);
