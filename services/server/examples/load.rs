//! What a server does under load, and under more of it than it can bear: `cargo xtask load`.
//!
//!     cargo run --release -p tamis-server --example load -- TAMIS_BINARY FOLDER [SOAK_SECONDS]
//!
//! It starts servers of that binary, lets them take the folder in, and asks the same questions of them over sockets: as fast as
//! they are answered (closed loop), and at a rate that does not wait for answers (open loop). The server has one half of the
//! cores and the callers the other, where `taskset` is there: what a caller spends is no part of what a server can do.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used)] // a measuring tool

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tamis_proto::v1::context_service_client::ContextServiceClient;
use tamis_proto::v1::{Budget, CompressRequest};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

const QUESTIONS: [&str; 12] = [
    "How is the budget kept exactly?",
    "What happens when the disk is full?",
    "Which languages are split by syntax tree?",
    "How are documents replaced atomically?",
    "What is the temperature of attention for?",
    "How does the ranking combine vectors and terms?",
    "When does the language model read?",
    "How is a collection encoded anew?",
    "What is in a backup?",
    "How are tables cited?",
    "Which errors can be tried again?",
    "How many segments does one machine hold?",
];
/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Calls under way at most; what would be more counts as sent and not answered.
const IN_FLIGHT: usize = 20_000;
const CONNECTIONS: usize = 8;
const FLOODS: usize = 5;

/// The cores of the servers.
struct Cores {
    /// As `taskset` lists them; `None` where both sides share all.
    list: Option<String>,
    count: usize,
}

impl Cores {
    /// Leaves the first half to servers, and has this process and what it begins stay on the other.
    fn apart() -> Self {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let (half, own) = (all / 2, std::process::id().to_string());
        let callers = format!("{half}-{}", all.saturating_sub(1));
        let kept = || Command::new("taskset").args(["-a", "-p", "-c", &callers, &own]).stdout(Stdio::null()).status();
        if half > 0 && kept().is_ok_and(|done| done.success()) {
            Self { list: Some(format!("0-{}", half - 1)), count: half }
        } else {
            Self { list: None, count: all }
        }
    }

    fn command(&self, binary: &str) -> Command {
        match &self.list {
            Some(list) => {
                let mut command = Command::new("taskset");
                command.args(["-c", list, binary]);
                command
            }
            None => Command::new(binary),
        }
    }
}

/// A server that ends with this value.
struct Server {
    child: Child,
    address: String,
    arguments: Vec<String>,
}

impl Server {
    fn start(cores: &Cores, binary: &str, arguments: Vec<String>) -> Self {
        let mut child = cores
            .command(binary)
            .args(&arguments)
            .env("TAMIS_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().trim_start_matches("listening on ").to_owned();
        Self { child, address, arguments }
    }

    fn with_data(cores: &Cores, binary: &str, directory: &Path, folder: &str) -> Self {
        let data = directory.display().to_string();
        let taken = Command::new(binary).args(["ingest", folder, "--data-dir", &data]).stdout(Stdio::null()).status();
        assert!(taken.expect("the binary starts").success());
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data].map(str::to_owned).to_vec();
        let mut server = Self::start(cores, binary, arguments);
        // The same address again when it is started anew.
        server.arguments[2].clone_from(&server.address);
        server
    }

    fn resident_mib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
        line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) / 1024
    }

    fn terminate(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }

    async fn channels(&self) -> Vec<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).expect("an address");
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            all.push(endpoint.connect().await.expect("it listens"));
        }
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn question(n: usize) -> Request<CompressRequest> {
    let budget = Some(Budget { max_tokens: 400, ..Budget::default() });
    let query = QUESTIONS[n % QUESTIONS.len()].to_owned();
    let mut request = Request::new(CompressRequest { query, budget, ..CompressRequest::default() });
    request.set_timeout(LIMIT);
    request
}

/// What came of calls.
#[derive(Default)]
struct Seen {
    answered: Vec<Duration>,
    refused: usize,
    late: usize,
    failed: Vec<String>,
    unsent: usize,
}

impl Seen {
    fn add(&mut self, told: Result<Duration, tonic::Status>) {
        match told {
            Ok(took) => self.answered.push(took),
            Err(status) if status.code() == Code::ResourceExhausted => self.refused += 1,
            Err(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) => self.late += 1,
            Err(status) => self.failed.push(status.to_string()),
        }
    }

    fn add_all(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.failed.extend(other.failed);
        self.refused += other.refused;
        self.late += other.late;
        self.unsent += other.unsent;
    }

    fn quantile(&mut self, q: f64) -> f64 {
        self.answered.sort_unstable();
        let n = ((self.answered.len() as f64 - 1.0) * q).round().max(0.0) as usize;
        self.answered.get(n).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3)
    }

    fn told(&mut self, what: &str, seconds: f64) -> f64 {
        let rate = self.answered.len() as f64 / seconds;
        let (p50, p99) = (self.quantile(0.5), self.quantile(0.99));
        println!(
            "{what}: {rate:.0} answers/s, p50 {p50:.1} ms, p99 {p99:.1} ms, {} refused, {} late, {} failed, {} unsent",
            self.refused,
            self.late,
            self.failed.len(),
            self.unsent
        );
        for failure in self.failed.iter().take(3) {
            println!("  {failure}");
        }
        rate
    }
}

async fn ask(channel: Channel, n: usize) -> Result<Duration, tonic::Status> {
    let begun = Instant::now();
    ContextServiceClient::new(channel).compress(question(n)).await.map(|_| begun.elapsed())
}

/// So many callers, each of whom asks when he has been answered.
async fn closed(channels: &[Channel], callers: usize, time: Duration) -> Seen {
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let channel = channels[caller % channels.len()].clone();
        all.spawn(async move {
            let (begun, mut seen, mut n) = (Instant::now(), Seen::default(), caller);
            while begun.elapsed() < time {
                seen.add(ask(channel.clone(), n).await);
                n += 1;
            }
            seen
        });
    }
    merged(all).await
}

async fn merged(mut all: JoinSet<Seen>) -> Seen {
    let mut seen = Seen::default();
    while let Some(Ok(other)) = all.join_next().await {
        seen.add_all(other);
    }
    seen
}

/// So many calls a second, whatever comes of them.
async fn open(channels: &[Channel], rate: f64, time: Duration) -> Seen {
    let (under_way, mut calls, begun) = (Arc::new(AtomicUsize::new(0)), JoinSet::new(), Instant::now());
    let (mut sent, mut seen) = (0usize, Seen::default());
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    while begun.elapsed() < time {
        ticks.tick().await;
        let due = (begun.elapsed().as_secs_f64() * rate) as usize;
        while sent < due {
            if under_way.load(Ordering::Relaxed) >= IN_FLIGHT {
                seen.unsent += 1;
            } else {
                let (channel, counted, n) = (channels[sent % channels.len()].clone(), under_way.clone(), sent);
                counted.fetch_add(1, Ordering::Relaxed);
                calls.spawn(async move {
                    let told = ask(channel, n).await;
                    counted.fetch_sub(1, Ordering::Relaxed);
                    told
                });
            }
            sent += 1;
        }
        while let Some(Ok(told)) = calls.try_join_next() {
            seen.add(told);
        }
    }
    while let Some(told) = calls.join_next().await {
        seen.add(told.unwrap_or_else(|e| Err(tonic::Status::internal(e.to_string()))));
    }
    seen
}

/// Connections that say a byte a second, and calls that are given up at random.
fn nuisances(server: &Server, channels: &[Channel], each: usize) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for n in 0..each {
        let (address, channel) = (server.address.clone(), channels[n % channels.len()].clone());
        all.spawn(async move {
            loop {
                let Ok(mut stream) = TcpStream::connect(&address) else { return };
                for byte in b"POST /v1/compress HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n" {
                    if stream.write_all(&[*byte]).is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
        all.spawn(async move {
            let mut n = n;
            loop {
                // Between nothing and 40 ms, in no order.
                let patience = Duration::from_millis((n as u64).wrapping_mul(2_654_435_761) % 40);
                let _ = tokio::time::timeout(patience, ask(channel.clone(), n)).await;
                tokio::time::sleep(Duration::from_millis(400)).await;
                n += 50;
            }
        });
    }
    all
}

/// As a client does that follows the service config of docs/operations.md: servers take turns, and what is UNAVAILABLE is
/// tried again, by the next one.
async fn ask_again(channels: &[Channel], n: usize) -> Result<Duration, tonic::Status> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(50);
    for turn in 0..4 {
        match ask(channels[(n + turn) % channels.len()].clone(), n).await {
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            told => return told.map(|_| begun.elapsed()),
        }
    }
    ask(channels[n % channels.len()].clone(), n).await.map(|_| begun.elapsed())
}

async fn rolling_restart(cores: &Cores, binary: &str, folder: &str) {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut servers: Vec<Server> =
        directories.iter().map(|d| Server::with_data(cores, binary, d.path(), folder)).collect();
    for server in &mut servers {
        server.arguments.extend(["--drain-s".to_owned(), "1".to_owned()]);
        server.terminate();
        *server = Server::start(cores, binary, server.arguments.clone());
    }
    let lazy = |s: &Server| Endpoint::from_shared(format!("http://{}", s.address)).expect("an address").connect_lazy();
    let channels: Arc<[Channel]> = servers.iter().map(lazy).collect();
    let (stop, mut callers) = (tokio_util::sync::CancellationToken::new(), JoinSet::new());
    for caller in 0..8 {
        let (channels, stop) = (channels.clone(), stop.clone());
        callers.spawn(async move {
            let (mut seen, mut n) = (Seen::default(), caller);
            while !stop.is_cancelled() {
                seen.add(ask_again(&channels, n).await);
                n += 9;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            seen
        });
    }
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for server in &mut servers {
        let (arguments, binary) = (server.arguments.clone(), binary.to_owned());
        tokio::task::block_in_place(|| {
            server.terminate();
            *server = Server::start(cores, &binary, arguments);
        });
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    stop.cancel();
    let seconds = begun.elapsed().as_secs_f64();
    merged(callers).await.told("rolling restart of two servers", seconds);
}

fn main() {
    // Before there are threads that would have to be moved.
    let cores = Cores::apart();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(measure(&cores));
}

async fn measure(cores: &Cores) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [binary, folder, rest @ ..] = arguments.as_slice() else {
        println!("usage: load TAMIS_BINARY FOLDER [SOAK_SECONDS]");
        std::process::exit(2);
    };
    let soak = rest.first().map_or(600, |s| s.parse().expect("a number of seconds"));
    let directory = tempfile::tempdir().unwrap();
    let server = Server::with_data(cores, binary, directory.path(), folder);
    let channels = server.channels().await;
    // One is answered while the next one waits.
    let callers = 2 * cores.count;
    println!("servers on cores {}", cores.list.as_deref().unwrap_or("that the callers share"));
    closed(&channels, callers, Duration::from_secs(3)).await;

    // Several floods, each between measures of what there is to lose: a shared machine is not always as fast.
    let (calm, flood) = (Duration::from_secs(15), Duration::from_secs(60));
    let fastest = async || {
        let told = format!("as fast as it goes ({callers} callers)");
        closed(&channels, callers, calm).await.told(&told, calm.as_secs_f64())
    };
    let mut most = fastest().await;
    for _ in 0..FLOODS {
        let mut normal = open(&channels, most * 0.5, calm).await;
        normal.told("half of that", calm.as_secs_f64());
        let before = server.resident_mib();
        let mut over = open(&channels, most * 8.0, flood).await;
        let goodput = over.told("eight times as much for 60 s", flood.as_secs_f64());
        let (first, after) = (most, server.resident_mib());
        most = fastest().await;
        println!(
            "  goodput {:.0} % of the most, p99 of the answered {:.1} times the normal p50; {before} MiB before, {after} after",
            100.0 * goodput / f64::midpoint(first, most),
            over.quantile(0.99) / normal.quantile(0.5),
        );
    }

    let time = Duration::from_secs(20);
    let alone = open(&channels, most * 0.3, time).await.told("a third of the most, alone", time.as_secs_f64());
    let own = server.channels().await;
    let mut others = nuisances(&server, &own, 50);
    let beside = open(&channels, most * 0.3, time).await;
    others.abort_all();
    let mut beside = beside;
    let rate = beside.told("the same beside 50 slow and 50 fickle callers", time.as_secs_f64());
    println!("  {:.1} % of the answers", 100.0 * rate / alone);

    let (begun, from) = (Instant::now(), server.resident_mib());
    let (url, taken) = (format!("http://{}", server.address), folder.clone());
    let ingesting = Command::new("sh")
        .args(["-c", &format!("while :; do {binary} --server {url} ingest {taken} --collection again >/dev/null 2>&1; {binary} --server {url} collections delete again >/dev/null 2>&1; done")])
        .spawn();
    let mut ingesting = ingesting.expect("a shell");
    let mut seen = Seen::default();
    while begun.elapsed() < Duration::from_secs(soak) {
        let part = open(&channels, most * 0.7, Duration::from_secs(30)).await;
        seen.add_all(part);
        println!("  {:.0} s: {} MiB", begun.elapsed().as_secs_f64(), server.resident_mib());
    }
    let _ = ingesting.kill();
    let _ = ingesting.wait();
    seen.told("soak beside re-ingestion", begun.elapsed().as_secs_f64());
    println!("  {from} MiB before, {} after", server.resident_mib());
    drop(server);
    rolling_restart(cores, binary, folder).await;
}
