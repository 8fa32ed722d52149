//! More than a server can hold or do: it says so, and goes on.

use std::time::{Duration, Instant};

use tamis_proto::v1::{Budget, CompressRequest, Document, RetrieveRequest};
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::{Server, document};

const MIB: usize = 1024 * 1024;

/// Most memory that the process has held, in MiB.
fn peak(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() / 1024
}

fn client(channel: Channel) -> tamis_proto::v1::context_service_client::ContextServiceClient<Channel> {
    tamis_proto::v1::context_service_client::ContextServiceClient::new(channel)
}

async fn is_served(server: &Server) {
    let asked = RetrieveRequest { query: "mesh".into(), collection: "c".into(), limit: 1, ..Default::default() };
    assert_eq!(server.contexts().await.retrieve(asked).await.unwrap().into_inner().segments.len(), 1);
}

/// Niceness and scheduling policy of a process's threads whose name begins so: fields 19 and 41 of `proc_pid_stat(5)`.
#[cfg(target_os = "linux")]
fn scheduling(process: u32, name: &str) -> Vec<(i64, i64)> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let of_name = stats.filter_map(|stat| {
        let (before, after) = stat.rsplit_once(')')?;
        let fields: Vec<i64> = after.split_whitespace().skip(1).map(|n| n.parse().unwrap_or(0)).collect();
        before.contains(&format!("({name}")).then(|| (fields[15], fields[37]))
    });
    of_name.collect()
}

#[cfg(target_os = "linux")]
#[test]
fn threads_take_turns_and_those_that_compute_give_way() {
    const BATCH: i64 = 3;
    let server = Server::start();
    let threads = |name| scheduling(server.child.id(), name);
    for (name, expected) in [("tokio-", (0, BATCH)), ("query-", (5, BATCH)), ("ingest-", (10, BATCH))] {
        // A thread has its name before it has its turn: where much else runs, that is seen.
        let begun = Instant::now();
        let mut told = threads(name);
        while told.is_empty() || told.iter().any(|t| *t != expected) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {told:?}");
            std::thread::sleep(Duration::from_millis(20));
            told = threads(name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_from_everywhere_take_no_more_memory_than_they_may() {
    let server = Server::start_with(&[("TAMIS_MESSAGE_MEMORY_MIB", "96")]);
    server.ingest("c", vec![document("a", "A sieve has a mesh.")]).await;
    // From here on the peak is counted anew: opening the models has one of its own.
    std::fs::write(format!("/proc/{}/clear_refs", server.child.id()), "5").unwrap();
    let before = peak(&server);
    let mut channels = Vec::new();
    for _ in 0..32 {
        channels.push(server.channel().await);
    }
    let attack = channels.into_iter().enumerate().map(|(n, channel)| {
        async move {
            let mut client = client(channel);
            // It is refused for its length, once all of it has been read; or before, because others are being read.
            let query = "x".repeat(40 * MIB);
            let budget = Some(Budget { max_tokens: 10, ..Default::default() });
            let asked = CompressRequest { query, budget, collection: "c".into(), ..Default::default() };
            let mut asked = Request::new(asked);
            asked.metadata_mut().insert("x-request-id", format!("attack-{n}").parse().unwrap());
            client.compress(asked).await.unwrap_err()
        }
    });
    let told: Vec<_> = attack.map(tokio::spawn).collect();
    let mut reasons = Vec::new();
    for told in told {
        let status = told.await.unwrap();
        reasons.push(status.get_details_error_info().map(|i| i.reason).unwrap_or_else(|| status.to_string()));
    }
    let known = |reason: &String| ["LIMIT_EXCEEDED", "MEMORY_FULL"].contains(&reason.as_str());
    assert!(reasons.iter().all(known), "{reasons:?}");
    // The messages, once as bytes and once decoded, what the allocator keeps, and windows of 32 connections.
    let grown = peak(&server) - before;
    println!("32 requests of 40 MiB: {grown} MiB");
    assert!(grown < 4 * 96 + 64, "{grown} MiB");
    is_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_work_goes_before_long_work_and_what_nobody_waits_for_is_dropped() {
    let settings = [("TAMIS_QUERY_THREADS", "1"), ("TAMIS_QUERY_QUEUE", "4")];
    let server = Server::start_with(&settings);
    server.ingest("c", vec![document("a", "A sieve has a mesh.")]).await;
    let text = "A sieve lets the fine pass and keeps what is coarse. ".repeat(150);
    let long = |channel: Channel| {
        let documents = vec![Document { text: text.clone(), ..Document::default() }];
        let budget = Some(Budget { max_tokens: 100, ..Default::default() });
        let asked = CompressRequest { query: "sieve".into(), documents, budget, ..Default::default() };
        async move { client(channel).compress(asked).await }
    };
    let channel = server.channel().await;
    // What a long one takes is known from the one before.
    long(channel.clone()).await.unwrap();
    // One runs, four wait, and no more have room.
    let all: Vec<_> = (0..8).map(|_| tokio::spawn(long(channel.clone()))).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    is_served(&server).await;
    let took = begun.elapsed();
    // Its place is that of a long one, which has to come again; and so is that of those who are gone.
    for (n, task) in all.iter().enumerate() {
        if n % 2 == 0 {
            task.abort();
        }
    }
    let mut told = Vec::new();
    for task in all {
        match task.await {
            Ok(Err(status)) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.get_details_retry_info().is_some_and(|i| i.retry_delay.is_some()));
                told.push(false);
            }
            Ok(Ok(_)) => told.push(true),
            Err(_) => {}
        }
    }
    assert!(told.contains(&false), "{told:?}");
    println!("a short question behind long ones took {took:?}");
    is_served(&server).await;
}
