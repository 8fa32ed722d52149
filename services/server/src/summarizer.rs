//! Summaries from an endpoint that speaks OpenAI's chat completions: a hosted model, or one of one's own (llama.cpp, vLLM,
//! Ollama).
//!
//! Whatever it does, a digest gets an answer or an error in time: calls have a time limit, answers a size limit, what may
//! pass by itself is tried again, and no more calls are under way than the operator allows.

mod slots;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tamis::deadline::Deadline;
use tamis::error::{Error, Result};
use tamis::summarize::{Completion, Cost, Prompt, Summarizer};
use ureq::http::StatusCode;

use self::slots::Slots;

/// Longest answer in bytes: a summary has some hundred.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;
/// Bytes of an unusable answer that are shown.
const SHOWN_BYTES: usize = 120;
/// First pause before a call is repeated; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause that an endpoint may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How an endpoint is called.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Where `/chat/completions` is, for example `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// Sent as a bearer token.
    pub api_key: Option<String>,
    /// Time limit of a call.
    pub timeout: Duration,
    /// Calls that are repeated, at most so often each.
    pub retries: u32,
    /// Calls under way at once, of all requests together.
    pub concurrency: usize,
    /// Most tokens of passages in one prompt.
    pub max_input: usize,
}

/// A model behind an endpoint.
pub struct Endpoint {
    agent: ureq::Agent,
    settings: EndpointSettings,
    slots: Slots,
}

impl Endpoint {
    /// An endpoint; it is not called before a summary is wanted.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for settings that can't be used.
    pub fn new(settings: EndpointSettings) -> Result<Self> {
        if !settings.url.starts_with("http://") && !settings.url.starts_with("https://") {
            let reason = format!("{:?}: give http://HOST[:PORT]/v1 or https://...", settings.url);
            return Err(Error::invalid("summarizer_url", reason));
        }
        if settings.model.is_empty() {
            return Err(Error::invalid("summarizer_model", "is missing: name the endpoint's model"));
        }
        if settings.max_input < 256 {
            return Err(Error::invalid("summarizer_input_tokens", "must be at least 256"));
        }
        // A redirect would take the key to where the operator did not send it.
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build();
        let slots = Slots::new(settings.concurrency.max(1));
        Ok(Self { agent: ureq::Agent::new_with_config(config), settings, slots })
    }

    /// One call.
    fn call(&self, prompt: &Prompt, deadline: &Deadline) -> Result<Completion, Failed> {
        let timeout = deadline.remaining().map_or(self.settings.timeout, |left| left.min(self.settings.timeout));
        let url = format!("{}/chat/completions", self.settings.url.trim_end_matches('/'));
        let mut request = self.agent.post(&url).config().timeout_global(Some(timeout)).build();
        if let Some(key) = &self.settings.api_key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.send_json(Asked::new(&self.settings.model, prompt)).map_err(Failed::transport)?;
        let (status, after) = (response.status(), retry_after(response.headers()));
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string();
        if !status.is_success() {
            let said = body.map(|body| shown(&body)).unwrap_or_default();
            let passes = status.is_server_error()
                || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
            return Err(Failed { reason: format!("answered {status}{said}"), passes, after });
        }
        let body = body.map_err(|e| match e {
            ureq::Error::BodyExceedsLimit(limit) => Failed::for_good(format!("answered more than {limit} bytes")),
            e => Failed::transport(e),
        })?;
        // A model that answers nonsense once may not do so again; an endpoint that is none will.
        let answer: Answered = serde_json::from_str(&body)
            .map_err(|e| Failed::for_good(format!("answered no completion ({e}){}", shown(&body))))?;
        let text = answer.choices.into_iter().next().and_then(|choice| choice.message.content).unwrap_or_default();
        let usage = answer.usage.unwrap_or_default();
        let (prompt_tokens, completion_tokens) = (usage.prompt_tokens, usage.completion_tokens);
        Ok(Completion { text, cost: Cost { calls: 1, prompt_tokens, completion_tokens, ..Cost::default() } })
    }
}

impl Summarizer for Endpoint {
    fn name(&self) -> &str {
        &self.settings.model
    }

    fn max_input(&self) -> usize {
        self.settings.max_input
    }

    fn parallelism(&self) -> usize {
        self.settings.concurrency.max(1)
    }

    fn complete(&self, prompt: &Prompt, deadline: &Deadline) -> Result<Completion> {
        let (mut pause, mut retries) = (FIRST_PAUSE, 0);
        loop {
            let failed = {
                let _slot = self.slots.take(deadline)?;
                deadline.check("summarize")?;
                match self.call(prompt, deadline) {
                    Ok(completion) => {
                        let cost = Cost { retries: u64::from(retries), ..completion.cost };
                        return Ok(Completion { cost, ..completion });
                    }
                    Err(failed) => failed,
                }
            };
            deadline.check("summarize")?;
            let wait = failed.after.unwrap_or(pause).min(MAX_PAUSE);
            let in_time = deadline.remaining().is_none_or(|left| wait < left);
            if !failed.passes || retries >= self.settings.retries || !in_time {
                let times = if retries == 0 { String::new() } else { format!(" ({} calls)", retries + 1) };
                return Err(Error::Summarizer(format!("{} {}{times}", self.settings.model, failed.reason)));
            }
            tracing::warn!(model = self.settings.model, reason = failed.reason, "summarizer is called again");
            std::thread::sleep(wait);
            pause *= 2;
            retries += 1;
        }
    }
}

/// Why a call gave no completion.
struct Failed {
    reason: String,
    /// Another call may do better.
    passes: bool,
    /// When to call again, if the endpoint says so.
    after: Option<Duration>,
}

impl Failed {
    fn for_good(reason: String) -> Self {
        Self { reason, passes: false, after: None }
    }

    fn transport(error: ureq::Error) -> Self {
        match error {
            // Whoever waits has waited long enough.
            ureq::Error::Timeout(_) => Self::for_good("did not answer in time".into()),
            e => Self { reason: format!("can't be reached ({e})"), passes: true, after: None },
        }
    }
}

fn retry_after(headers: &ureq::http::HeaderMap) -> Option<Duration> {
    headers.get("retry-after")?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// The beginning of an answer that can't be used: often it says why.
fn shown(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.floor_char_boundary(SHOWN_BYTES);
    if line.is_empty() { String::new() } else { format!(": {:?}", &line[..end]) }
}

#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
    max_tokens: u32,
    temperature: f32,
    seed: u32,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Asked<'a> {
    /// Without chance, as far as the endpoint can do without.
    fn new(model: &'a str, prompt: &'a Prompt) -> Self {
        let messages =
            [Message { role: "system", content: &prompt.system }, Message { role: "user", content: &prompt.user }];
        Self { model, messages, max_tokens: prompt.max_tokens, temperature: 0.0, seed: 0 }
    }
}

#[derive(Deserialize)]
struct Answered {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}
