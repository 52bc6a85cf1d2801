//! The table of routes: the one place that knows which addresses there are.
//!
//! In: nothing. Out: each route with its words for the reference and its handler.
//! Never: lets an address exist that is not in the table; the router and the OpenAPI document are both made from it.

use super::{App, events, metrics, openapi, outbox, plugins, reads, replay, writes};
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, post, put};
use std::sync::Arc;

/// One route.
pub struct Route {
    /// `get`, `post`, `put` or `delete`.
    pub method: &'static str,
    /// The address; parts in braces vary.
    pub path: &'static str,
    /// What it is for, in one sentence.
    pub summary: &'static str,
    /// What may follow the question mark: name, JSON type, meaning.
    pub query: &'static [Field],
    /// The keys of the JSON body: name, JSON type, meaning.
    pub body: &'static [Field],
    /// What comes back: content type and description.
    pub answer: (&'static str, &'static str),
    pub(super) handler: MethodRouter<Arc<App>>,
}

/// A field: name, JSON type, meaning.
pub type Field = (&'static str, &'static str, &'static str);

const JSON: &str = "application/json";
const LIMIT: Field = ("limit", "integer", "At most this many, from 1 to 1000; 50 when not said.");
const BY: Field = ("by", "string", "Who says so; \"admin\" when not said.");

macro_rules! route {
    ($method:ident $path:literal, $summary:literal, query: $query:expr, body: $body:expr, $answer:expr, $handler:path) => {
        Route {
            method: stringify!($method),
            path: $path,
            summary: $summary,
            query: $query,
            body: $body,
            answer: $answer,
            handler: $method($handler),
        }
    };
}

/// A route whose body may hold a whole package.
fn large(route: Route) -> Route {
    Route { handler: route.handler.layer(DefaultBodyLimit::max(plugins::LARGEST)), ..route }
}

/// A package, and how it may be installed.
const PACKAGE: &[Field] = &[
    (
        "source",
        "string",
        "An https address with its digest, an oci:// image by digest, or the name of the file that is sent. Required.",
    ),
    ("package", "string", "The bytes of the file in base64, when it is sent."),
    ("name", "string", "Refuses the package when it is another plugin than this."),
    ("grant", "string", "The \"grant\" of the question that a person said yes to."),
    ("force", "boolean", "An older version may replace a newer one."),
    ("new_key", "boolean", "Another publisher's key may replace the one that is pinned to the name."),
    BY,
];

/// Every route there is.
#[allow(clippy::too_many_lines, reason = "one flat table")]
pub fn routes() -> Vec<Route> {
    vec![
        route!(get "/v1/status", "Says how the daemon is: what runs, what comes next, what needs a person.",
            query: &[], body: &[], (JSON, "One object."), reads::status),
        route!(get "/v1/workflows", "Lists the workflows with their next time and last end.",
            query: &[], body: &[], (JSON, "A list."), reads::workflows),
        route!(get "/v1/workflows/{name}", "Tells about one workflow.",
            query: &[], body: &[], (JSON, "One object."), reads::workflow),
        route!(get "/v1/workflows/{name}/next", "Says when a workflow is due.",
            query: &[
                ("from", "string", "Strictly after this moment, in RFC 3339; now when not said."),
                ("zone", "string", "The IANA zone to answer in; the schedule's own when not said."),
                ("count", "integer", "How many, from 1 to 1000; 5 when not said."),
            ],
            body: &[], (JSON, "\"times\" in RFC 3339 and \"describe\", the schedules in words."), reads::next),
        route!(post "/v1/workflows/{name}/run", "Runs a workflow now.",
            query: &[],
            body: &[
                ("wait", "boolean", "Answers when the run has ended and is on disk; else as soon as it is sure to run."),
                ("payload", "any", "What the script finds as its payload."),
            ],
            (JSON, "The run: whole when waited for, else its number."), writes::run),
        route!(post "/v1/workflows/{name}/pause", "Pauses a workflow: its due times are recorded as skipped.",
            query: &[], body: &[("reason", "string", "Why, for whoever looks later.")], (JSON, "One object."), writes::pause),
        route!(post "/v1/workflows/{name}/resume", "Lets a paused workflow go on.",
            query: &[], body: &[], (JSON, "One object."), writes::resume),
        route!(get "/v1/runs", "Lists runs, newest first.",
            query: &[("workflow", "string", "Only of this workflow."), LIMIT],
            body: &[], (JSON, "A list."), reads::runs),
        route!(get "/v1/runs/{run}", "Tells everything about a run: its effects, its log, what it used.",
            query: &[], body: &[], (JSON, "One object."), reads::run),
        route!(get "/v1/runs/{run}/log", "Gives the lines a run logged.",
            query: &[], body: &[], (JSON, "A list."), reads::log),
        route!(post "/v1/runs/{run}/cancel", "Asks a run to stop; what it planned does not happen.",
            query: &[], body: &[], (JSON, "One object."), writes::cancel),
        route!(get "/v1/runs/{run}/recording", "Gives everything a run was told and planned, so that it can be done again elsewhere.",
            query: &[], body: &[], (JSON, "A recording."), replay::recorded),
        route!(get "/v1/runs/{run}/bundle", "Gives the same with secrets, addresses of mail and the like blacked out, to be passed on.",
            query: &[], body: &[], (JSON, "A recording."), replay::bundle),
        large(route!(post "/v1/replay", "Does a recorded run again, without effect; needed for plugins, which have to be here.",
            query: &[], body: &[("recording", "object", "A recording. Required.")],
            (JSON, "\"same\", whether it planned the same, and \"replayed\", what it planned."), replay::replay)),
        large(
            route!(post "/v1/workflows/{name}/dry", "Lets a workflow plan without effect, on what the world says now or on what a run was told.",
            query: &[],
            body: &[
                ("payload", "any", "What the script finds as its payload."),
                ("from", "string", "A run, such as r12: it hears what that one was told, and nothing else."),
                ("recording", "object", "The same, with a recording."),
            ],
            (JSON, "\"lines\", what it would plan; \"calendar\", the days it would touch; \"replayed\", all of it; \"recording\", what it was told."), replay::dry),
        ),
        route!(get "/v1/workflows/{name}/shadow", "Tells about the version of a script that runs beside the one in force, and how they compared.",
            query: &[], body: &[], (JSON, "One object."), replay::shadow),
        route!(put "/v1/workflows/{name}/shadow", "Puts a version of a script beside the one in force: it is told the same, and its plans are only compared.",
            query: &[],
            body: &[("file", "string", "Its name, for people. Required."), ("source", "string", "The script. Required."), BY],
            (JSON, "One object."), replay::put_shadow),
        route!(delete "/v1/workflows/{name}/shadow", "Takes the version beside away, with what came of it.",
            query: &[], body: &[], (JSON, "One object."), replay::no_shadow),
        route!(get "/v1/posts", "Lists posts on their way to accounts, newest first.",
            query: &[
                ("state", "string", "Only in this state: held, due, preparing, armed, online, refused, retrying, unknown, dead, cancelled."),
                ("account", "string", "Only to this account."),
                LIMIT,
            ],
            body: &[], (JSON, "A list of deliveries."), reads::posts),
        route!(get "/v1/posts/{post}", "Gives the deliveries of one post.",
            query: &[], body: &[], (JSON, "A list of deliveries."), reads::post),
        route!(get "/v1/deliveries/{delivery}", "Tells everything about a delivery, with its history.",
            query: &[], body: &[], (JSON, "One object."), reads::delivery),
        route!(post "/v1/deliveries/{delivery}/approve", "Says yes to exactly the content that this seal covers.",
            query: &[],
            body: &[
                ("seal", "string", "The seal of what the person saw. Required."),
                ("fallback", "string", "The seal of what stands in for it. Required when something does and needs a yes."),
                BY,
            ],
            (JSON, "The delivery."), writes::approve),
        route!(post "/v1/deliveries/{delivery}/again", "Says that a delivery certainly did not go out, and sends it again.",
            query: &[], body: &[BY], (JSON, "The delivery."), writes::again),
        route!(post "/v1/deliveries/{delivery}/done", "Says that a delivery did go out.",
            query: &[], body: &[("url", "string", "Where it can be seen."), BY], (JSON, "The delivery."), writes::done),
        route!(post "/v1/deliveries/{delivery}/reject", "Says no: the delivery is cancelled.",
            query: &[], body: &[("reason", "string", "Why."), BY], (JSON, "The delivery."), writes::reject),
        route!(get "/v1/why/{subject}", "Explains a delivery (d12), a post (p7), a run (r5), an account, a workflow, an item of the library, a product, or an hour.",
            query: &[("when", "string", "For an account or a workflow: only what was to happen then, such as 2026-11-20T09:00, 09:00, monday 09:00.")],
            body: &[], (JSON, "\"answer\", one sentence, and \"steps\", the causes in order."), reads::because),
        route!(get "/v1/doctor", "Looks at everything that can be out of order, and says what to do about it.",
            query: &[
                ("deep", "boolean", "Reads every page and every index of the database."),
                ("since", "string", "Counts the ledger from this moment, in RFC 3339; 31 days when not said."),
            ],
            body: &[], (JSON, "\"worst\" (ok, warning, error) and \"findings\", each with \"check\", \"severity\", \"text\" and \"help\"."),
            reads::doctor),
        route!(get "/v1/state", "Gives one key of the shared state, or all keys under a prefix.",
            query: &[("key", "string", "Exactly this key."), ("prefix", "string", "All keys that begin so.")],
            body: &[], (JSON, "The value of the key, or an object of keys and values."), reads::state),
        route!(put "/v1/state", "Sets a key of the shared state.",
            query: &[],
            body: &[("key", "string", "The key. Required."), ("value", "any", "Its new value. Required.")],
            (JSON, "One object."), writes::set_state),
        route!(delete "/v1/state", "Removes a key of the shared state.",
            query: &[("key", "string", "The key. Required.")], body: &[], (JSON, "One object."), writes::remove_state),
        route!(get "/v1/feeds", "Lists the feeds with their last read and last error.",
            query: &[], body: &[], (JSON, "A list."), reads::feeds),
        route!(get "/v1/accounts", "Lists the accounts: network, who serves them, what stands in their way.",
            query: &[], body: &[], (JSON, "A list."), reads::accounts),
        route!(post "/v1/accounts/check", "Asks the networks whether the accounts work, without changing anything there.",
            query: &[], body: &[("account", "string", "Only this account.")],
            (JSON, "A list as of /v1/accounts, each with \"works\" (true, false, or null when there is nothing to ask) and \"says\"."),
            writes::check_accounts),
        route!(get "/v1/inbox", "Lists what the public wrote, newest first.",
            query: &[("account", "string", "Only to this account."), LIMIT],
            body: &[], (JSON, "A list of messages."), reads::inbox),
        route!(get "/v1/plugins", "Lists the installed plugins: what they can, what was granted, who uses them, how they are.",
            query: &[], body: &[], (JSON, "A list."), plugins::list),
        large(route!(post "/v1/plugins/examine", "Says what a package is and what it would ask for. Changes nothing.",
            query: &[], body: PACKAGE,
            (JSON, "\"question\" and \"new\", in words; \"asks\", whether a person has to say yes; \"grant\", what the yes is given to."),
            plugins::examine)),
        large(route!(post "/v1/plugins", "Installs or upgrades a plugin. What nobody has said yes to is refused.",
            query: &[], body: PACKAGE, (JSON, "The plugin."), plugins::install)),
        route!(delete "/v1/plugins/{name}", "Removes a plugin with its private state and tokens.",
            query: &[], body: &[], (JSON, "One object."), plugins::remove),
        route!(post "/v1/plugins/{name}/suspend", "Stops calling a plugin; whatever needs it waits.",
            query: &[], body: &[("reason", "string", "Why, for whoever looks later.")], (JSON, "One object."), plugins::suspend),
        route!(post "/v1/plugins/{name}/resume", "Calls a plugin again, and forgets its defects so far.",
            query: &[], body: &[], (JSON, "One object."), plugins::resume),
        route!(post "/v1/reload", "Reads the configuration again. One with an error changes nothing.",
            query: &[], body: &[], (JSON, "\"problems\": the warnings."), writes::reload),
        route!(post "/v1/freeze", "Stops all sending, or one account's.",
            query: &[],
            body: &[("account", "string", "Only this account."), ("reason", "string", "Why, for whoever looks later.")],
            (JSON, "One object."), writes::freeze),
        route!(get "/v1/thaw", "Lists what waits to be sent, and what would become of each if it were let go now.",
            query: &[("account", "string", "Only to this account.")], body: &[],
            (JSON, "\"waits\": deliveries, each with \"would\"; \"later\": how many are due later."), outbox::waits),
        route!(post "/v1/thaw", "Lets sending go on, for all, for one account, or for single deliveries. All of one request or nothing.",
            query: &[],
            body: &[
                ("account", "string", "Only this account."),
                ("items", "object", "Single deliveries (d12) with \"send\", \"drop\" or \"at:2026-11-23T10:00\"; the rest stays as it is."),
                ("all", "string", "\"send\" or \"drop\": for whatever else was due by now; then all goes on."),
                ("yes", "boolean", "A yes that a delivery had holds for its new moment too."),
                BY,
            ],
            (JSON, "\"posts\": what will go out, item by item; \"dropped\" and \"moved\"."), outbox::thaw),
        route!(post "/v1/deliveries/{delivery}/recall", "Takes a post down that is online, or stops one that is not yet.",
            query: &[],
            body: &[
                ("reason", "string", "Why."),
                ("done", "boolean", "It was taken down by hand."),
                BY,
            ],
            (JSON, "The delivery; \"recall\" says how that stands."), outbox::recall),
        route!(post "/v1/backup", "Writes a whole copy of the database to a new file, while work goes on.",
            query: &[], body: &[("file", "string", "An absolute path that does not exist yet. Required.")],
            (JSON, "One object."), writes::backup),
        route!(post "/v1/stop", "Asks the daemon to end. Runs may finish first.",
            query: &[], body: &[], (JSON, "One object."), writes::stop),
        route!(get "/v1/events", "Streams what happens, from now on.",
            query: &[], body: &[], ("text/event-stream", "Events named after what happened; \"lagged\" when some were missed."),
            events::events),
        route!(get "/v1/openapi.json", "Describes all of this.",
            query: &[], body: &[], (JSON, "An OpenAPI 3.1 document."), openapi::openapi),
        route!(get "/metrics", "Gives figures for monitoring.",
            query: &[], body: &[], (metrics::TYPE, "Prometheus text."), metrics::metrics),
    ]
}
