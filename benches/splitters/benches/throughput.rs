//! MB/s of both splitters on the same files, and of ours for every kind.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tamis::extract::{self, Extracted, Language, MediaType};
use tamis::split::split;
use tamis_splitters::{Counter, OURS, files, kinds, ours, theirs};

/// Bytes of real files for a comparison.
const BYTES: usize = 1_000_000;

fn compared(c: &mut Criterion) {
    let counter = Counter::new();
    let mut group = c.benchmark_group("compared");
    group.sample_size(10);
    for (kind, media, folder, extension) in kinds() {
        let texts = files(&folder, extension, BYTES);
        assert!(!texts.is_empty(), "no {extension} files in {folder}");
        let sources: Vec<Extracted> = texts.iter().map(|t| Extracted::text(t.as_str(), media)).collect();
        group.throughput(Throughput::Bytes(texts.iter().map(|t| t.len() as u64).sum()));
        group.bench_function(BenchmarkId::new("tamis", kind), |b| {
            b.iter(|| sources.iter().map(|s| black_box(ours(s, &counter)).len()).sum::<usize>());
        });
        // What no splitter that counts can go below.
        group.bench_function(BenchmarkId::new("counting alone", kind), |b| {
            b.iter(|| texts.iter().flat_map(|t| t.lines()).map(|l| counter.count(l)).sum::<usize>());
        });
        group.bench_function(BenchmarkId::new("splitting alone", kind), |b| {
            let bytes = |text: &str| text.len().div_ceil(4);
            b.iter(|| sources.iter().map(|s| black_box(split(s, OURS, &bytes)).len()).sum::<usize>());
        });
        group.bench_function(BenchmarkId::new("text-splitter", kind), |b| {
            b.iter(|| texts.iter().map(|t| black_box(theirs(t, media, &counter)).len()).sum::<usize>());
        });
    }
    group.finish();
}

fn every_kind(c: &mut Criterion) {
    let counter = Counter::new();
    let mut group = c.benchmark_group("kind");
    group.sample_size(10);
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/split");
    let repeated = |name: &str| std::fs::read_to_string(format!("{data}/{name}")).expect("a test file").repeat(200);
    let rows: String = (0..20_000).map(|n| format!("{n},name {n},{}.5,some text of a cell\n", n * 7)).collect();
    let log: String = (0..10_000).map(|n| format!("2024-05-01 10:02:{:02} INFO request {n} done\n", n % 60)).collect();
    let prose = std::fs::read_to_string(format!("{data}/sentences.txt")).expect("a test file").repeat(40);
    for (kind, media, text) in [
        ("prose in 15 scripts", MediaType::Plain, prose),
        ("html", MediaType::Html, repeated("structure.html")),
        ("restructured text", MediaType::ReStructuredText, repeated("structure.rst")),
        ("asciidoc", MediaType::AsciiDoc, repeated("structure.adoc")),
        ("json", MediaType::Json, format!("[{}0]", (repeated("structure.json") + ",").replace("}\n{", "},{"))),
        ("yaml", MediaType::Code(Language::Yaml), repeated("structure.yaml")),
        ("csv", MediaType::Csv, "id,name,price,note\n".to_owned() + &rows),
        ("log", MediaType::Log, log),
        ("java", MediaType::Code(Language::Java), repeated("code/BlobModule.java.txt")),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(kind, |b| {
            b.iter(|| {
                let source = extract::from_bytes("x", media, text.clone().into_bytes()).expect("it is text");
                black_box(ours(&source, &counter)).len()
            });
        });
    }
    for name in ["paper.pdf", "soup.docx"] {
        let bytes = std::fs::read(format!("{data}/documents/{name}")).expect("a test file");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let source = extract::read_file(name, bytes.clone()).expect("a sound document");
                black_box(ours(&source, &counter)).len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compared, every_kind);
criterion_main!(benches);
