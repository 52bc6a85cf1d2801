//! The contract as Rust: what plugins ask of the host, and what the host calls in plugins.
//!
//! In: `plugin-sdk/wit`. Out: types and traits that follow it.
//! Never: anything written by hand. The interface `desk` is not here: it is linked from the table of functions.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::large_futures,
    clippy::semicolon_if_nothing_returned,
    reason = "generated"
)]

wasmtime::component::bindgen!({
    path: "../plugin-sdk/wit",
    inline: "
        package beffroi:daemon;
        world everything {
            import beffroi:plugin/types@0.1.0;
            import beffroi:plugin/post-types@0.1.0;
            import beffroi:plugin/run@0.1.0;
            import beffroi:plugin/log@0.1.0;
            import beffroi:plugin/settings@0.1.0;
            import beffroi:plugin/state@0.1.0;
            import beffroi:plugin/media@0.1.0;
            import beffroi:plugin/http@0.1.0;
            export beffroi:plugin/plugin@0.1.0;
            export beffroi:plugin/publish@0.1.0;
            export beffroi:plugin/prepare@0.1.0;
            export beffroi:plugin/lookup@0.1.0;
            export beffroi:plugin/unpublish@0.1.0;
            export beffroi:plugin/metrics@0.1.0;
            export beffroi:plugin/inbox@0.1.0;
            export beffroi:plugin/feed@0.1.0;
            export beffroi:plugin/stock@0.1.0;
            export beffroi:plugin/generate@0.1.0;
            export beffroi:plugin/notify@0.1.0;
            export beffroi:plugin/workflow@0.1.0;
        }
    ",
    world: "beffroi:daemon/everything",
    imports: {
        "beffroi:plugin/http@0.1.0.send": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    require_store_data_send: true,
});

pub(in crate::plugin) use self::beffroi::plugin as wire;
pub(in crate::plugin) use self::exports::beffroi::plugin as abilities;
