//! What is made from the contract: the values, the host's functions, and one export macro for each ability.
//!
//! In: `wit/*.wit`. Out: Rust types that carry the contract's documentation, and glue that the rest of the crate hides.
//! Never: written by hand, or named by a plugin; `export!` is the way in.
//!
//! Each ability has a world of its own, so that a component has exactly the exports that its author listed, and imports
//! only what its code calls.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::semicolon_if_nothing_returned,
    reason = "generated: crossing the component boundary takes raw memory, and this is the only place that does it"
)]

/// The values and the host's side.
mod host {
    wit_bindgen::generate!({
        inline: "
            package beffroi:sdk;
            world host {
                import beffroi:plugin/types@0.1.0;
                import beffroi:plugin/post-types@0.1.0;
                import beffroi:plugin/run@0.1.0;
                import beffroi:plugin/log@0.1.0;
                import beffroi:plugin/settings@0.1.0;
                import beffroi:plugin/state@0.1.0;
                import beffroi:plugin/media@0.1.0;
                import beffroi:plugin/http@0.1.0;
                import beffroi:plugin/desk@0.1.0;
            }
        ",
        path: "wit",
        world: "beffroi:sdk/host",
        generate_all,
        additional_derives: [PartialEq],
    });
}
pub use host::beffroi::plugin as contract;

#[cfg(target_family = "wasm")]
pub mod glue;

/// One world with one export. What speaks of posts shares their types, too.
macro_rules! ability {
    ($ability:ident, $world:literal, $inline:literal, $export:literal, $path:literal $(, $interface:literal = $module:ident)*) => {
        pub mod $ability {
            wit_bindgen::generate!({
                inline: $inline,
                path: "wit",
                world: $world,
                generate_all,
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $path,
                additional_derives: [PartialEq],
                with: {
                    "beffroi:plugin/types@0.1.0": crate::bindings::contract::types,
                    $($interface: crate::bindings::contract::$module,)*
                },
            });
        }
    };
}

ability!(
    plugin,
    "beffroi:sdk/only-plugin",
    "package beffroi:sdk; world only-plugin { export beffroi:plugin/plugin@0.1.0; }",
    "export_plugin",
    "beffroi_plugin::bindings::plugin"
);
ability!(
    publish,
    "beffroi:sdk/only-publish",
    "package beffroi:sdk; world only-publish { export beffroi:plugin/publish@0.1.0; }",
    "export_publish",
    "beffroi_plugin::bindings::publish",
    "beffroi:plugin/media@0.1.0" = media,
    "beffroi:plugin/post-types@0.1.0" = post_types
);
ability!(
    prepare,
    "beffroi:sdk/only-prepare",
    "package beffroi:sdk; world only-prepare { export beffroi:plugin/prepare@0.1.0; }",
    "export_prepare",
    "beffroi_plugin::bindings::prepare",
    "beffroi:plugin/media@0.1.0" = media,
    "beffroi:plugin/post-types@0.1.0" = post_types
);
ability!(
    lookup,
    "beffroi:sdk/only-lookup",
    "package beffroi:sdk; world only-lookup { export beffroi:plugin/lookup@0.1.0; }",
    "export_lookup",
    "beffroi_plugin::bindings::lookup",
    "beffroi:plugin/media@0.1.0" = media,
    "beffroi:plugin/post-types@0.1.0" = post_types
);
ability!(
    unpublish,
    "beffroi:sdk/only-unpublish",
    "package beffroi:sdk; world only-unpublish { export beffroi:plugin/unpublish@0.1.0; }",
    "export_unpublish",
    "beffroi_plugin::bindings::unpublish"
);
ability!(
    metrics,
    "beffroi:sdk/only-metrics",
    "package beffroi:sdk; world only-metrics { export beffroi:plugin/metrics@0.1.0; }",
    "export_metrics",
    "beffroi_plugin::bindings::metrics"
);
ability!(
    inbox,
    "beffroi:sdk/only-inbox",
    "package beffroi:sdk; world only-inbox { export beffroi:plugin/inbox@0.1.0; }",
    "export_inbox",
    "beffroi_plugin::bindings::inbox"
);
ability!(
    feed,
    "beffroi:sdk/only-feed",
    "package beffroi:sdk; world only-feed { export beffroi:plugin/feed@0.1.0; }",
    "export_feed",
    "beffroi_plugin::bindings::feed"
);
ability!(
    stock,
    "beffroi:sdk/only-stock",
    "package beffroi:sdk; world only-stock { export beffroi:plugin/stock@0.1.0; }",
    "export_stock",
    "beffroi_plugin::bindings::stock"
);
ability!(
    generate,
    "beffroi:sdk/only-generate",
    "package beffroi:sdk; world only-generate { export beffroi:plugin/generate@0.1.0; }",
    "export_generate",
    "beffroi_plugin::bindings::generate"
);
ability!(
    notify,
    "beffroi:sdk/only-notify",
    "package beffroi:sdk; world only-notify { export beffroi:plugin/notify@0.1.0; }",
    "export_notify",
    "beffroi_plugin::bindings::notify",
    "beffroi:plugin/media@0.1.0" = media,
    "beffroi:plugin/post-types@0.1.0" = post_types
);
ability!(
    workflow,
    "beffroi:sdk/only-workflow",
    "package beffroi:sdk; world only-workflow { export beffroi:plugin/workflow@0.1.0; }",
    "export_workflow",
    "beffroi_plugin::bindings::workflow"
);
