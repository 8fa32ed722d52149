//! What a request may ask of an answer beside its budget: terms to keep, a least relevance, an explanation.

use tamis_proto::v1::{Budget, CompressRequest, Document};
use tonic::Code;

use crate::support::{Server, document};

/// Too long to fill what others leave of a small budget.
const MOON: &str = "The moon has no weather at all, and nobody who went there has ever said anything else about it.";

/// Notes about soup, and two about other things.
fn notes() -> Vec<Document> {
    let mut notes: Vec<Document> = (0..30)
        .map(|n| document(&format!("n{n:02}"), &format!("Soup number {n} is sieved {n} times through the mesh.")))
        .collect();
    notes.push(document("part", "The mesh is ordered as QX-2207 from the mill."));
    notes.push(document("moon", MOON));
    notes
}

fn ask(query: &str, max_tokens: u32) -> CompressRequest {
    CompressRequest {
        query: query.into(),
        collection: "notes".into(),
        budget: Some(Budget { max_tokens, tokenizer: String::new() }),
        ..CompressRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_are_kept_whenever_the_budget_allows() {
    let server = Server::start();
    server.ingest("notes", notes()).await;
    let mut client = server.contexts().await;
    let question = "how often is the soup sieved";
    let plain = client.compress(ask(question, 60)).await.unwrap().into_inner();
    assert!(!plain.text.contains("weather"), "{}", plain.text);
    let must_keep = vec!["NO WEATHER".to_owned(), "no such word".to_owned()];
    let request = CompressRequest { must_keep, ..ask(question, 60) };
    let kept = client.compress(request).await.unwrap().into_inner();
    assert!(kept.text.contains("no weather") && kept.text.contains("Soup"), "{}", kept.text);
    assert_eq!(kept.not_kept, ["no such word"]);
    assert!(kept.token_count <= 60);
    let quoted = client.compress(ask("how is soup \"QX-2207\" sieved", 60)).await.unwrap().into_inner();
    assert!(quoted.text.contains("QX-2207"), "{}", quoted.text);
    let request = CompressRequest { must_keep: vec![String::new()], ..ask(question, 60) };
    let status = client.compress(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("must_keep"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_relevant_is_an_empty_context() {
    let server = Server::start();
    server.ingest("notes", notes()).await;
    let mut client = server.contexts().await;
    let sure = client.compress(ask("where is the mesh ordered", 200)).await.unwrap().into_inner();
    let unsure = client.compress(ask("who won the chess championship", 200)).await.unwrap().into_inner();
    assert!(sure.confidence > unsure.confidence, "{} {}", sure.confidence, unsure.confidence);
    assert!((0.0..=1.0).contains(&sure.confidence));
    let request = CompressRequest { min_relevance: 1.0, ..ask("who won the chess championship", 200) };
    let nothing = client.compress(request).await.unwrap().into_inner();
    assert_eq!((nothing.text.as_str(), nothing.token_count, nothing.excerpts.len()), ("", 0, 0));
    assert_eq!(nothing.confidence, 0.0);
    let request = CompressRequest { min_relevance: 1.5, ..ask("soup", 200) };
    let status = client.compress(request).await.unwrap_err();
    assert!(status.message().contains("min_relevance"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kept_block_is_explained_and_the_first_others() {
    let server = Server::start();
    server.ingest("notes", notes()).await;
    let mut client = server.contexts().await;
    let request = CompressRequest { explain: Some(3), ..ask("where is the mesh ordered", 60) };
    let answer = client.compress(request).await.unwrap().into_inner();
    let kept: Vec<_> = answer.explanation.iter().filter(|b| b.kept).collect();
    assert_eq!(answer.explanation.len() - kept.len(), 3);
    assert!(answer.explanation.windows(2).all(|pair| pair[0].score >= pair[1].score));
    for block in &answer.explanation {
        let made = block.parts["sum"] + block.parts["trees"];
        assert!((made - block.score).abs() < 1e-3, "{block:?}");
        assert!(block.parts.contains_key("coverage") && (0.0..=1.0).contains(&block.relevance), "{block:?}");
    }
    for excerpt in &answer.excerpts {
        let span = excerpt.span.unwrap();
        let inside = |b: &&&tamis_proto::v1::BlockExplanation| {
            b.document_id == excerpt.document_id && b.span.is_some_and(|s| span.start <= s.start && s.end <= span.end)
        };
        assert!(kept.iter().any(|b| inside(&b)), "{excerpt:?}");
    }
    let silent = client.compress(ask("where is the mesh ordered", 60)).await.unwrap().into_inner();
    assert!(silent.explanation.is_empty());
    assert_eq!(silent.text, answer.text, "explaining changes nothing");
    let request = CompressRequest { explain: Some(1001), ..ask("mesh", 60) };
    assert_eq!(client.compress(request).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_documents_say_is_said_once_and_cited_from_both() {
    let server = Server::start();
    let said = "The drum of the sieve was invented in Ghent in 1650.";
    let copied = "the drum of the sieve was invented in *Ghent* in 1650";
    let mut documents = notes();
    documents.extend([document("first", said), document("second", &format!("Of drums.\n\n{copied}\n"))]);
    documents.push(document("third", "The drum of the sieve was not invented in Ghent in 1650."));
    server.ingest("notes", documents).await;
    let mut client = server.contexts().await;
    let answer = client.compress(ask("where was the drum of the sieve invented", 200)).await.unwrap().into_inner();
    let of = |id: &str| answer.excerpts.iter().filter(|e| e.document_id == id).collect::<Vec<_>>();
    assert_eq!(of("third").len(), 1, "one word is a difference");
    let (kept, other) = if of("first").is_empty() { ("second", "first") } else { ("first", "second") };
    let cited: Vec<_> = of(kept).iter().flat_map(|e| e.also_in.clone()).collect();
    assert_eq!(cited.len(), 1, "{:?}", answer.excerpts);
    assert_eq!(cited[0].document_id, other);
    assert_eq!(answer.text.to_lowercase().matches("invented in").count(), 2, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_within_a_document_is_not_passed_over() {
    let server = Server::start();
    let text = "The mesh is made of steel. Birds sing. The mesh is washed. Clouds pass by. The mesh is dried.";
    server.ingest("notes", vec![document("mesh", text)]).await;
    let mut client = server.contexts().await;
    for least in [0.05, 0.1, 0.2, 0.4, 0.6] {
        let request = CompressRequest { min_relevance: least, ..ask("what is the mesh made of", 200) };
        for excerpt in client.compress(request).await.unwrap().into_inner().excerpts {
            let span = excerpt.span.unwrap();
            assert_eq!(&text[span.start as usize..span.end as usize], excerpt.text, "{least}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn diversity_tells_another_aspect_before_the_same_again() {
    let server = Server::start();
    let adjectives = ["fine", "dense", "even", "tight", "smooth", "delicate", "regular", "close"];
    let mesh =
        adjectives.map(|a| format!("Customers say that the mesh of this sieve is {a} and that purées come out silky."));
    let price = "Customers say that this sieve costs too much money for what it is, and send it back.".to_owned();
    let texts = mesh.into_iter().chain([price]).enumerate();
    let documents: Vec<_> = texts.map(|(n, text)| document(&format!("r{n}"), &text)).collect();
    let ask = |diversity| CompressRequest {
        query: "Is the mesh of this sieve good, and are purées silky?".into(),
        documents: documents.clone(),
        budget: Some(Budget { max_tokens: 56, tokenizer: String::new() }),
        diversity,
        ..CompressRequest::default()
    };
    let mut client = server.contexts().await;
    let alike = client.compress(ask(0.0)).await.unwrap().into_inner();
    let diverse = client.compress(ask(0.6)).await.unwrap().into_inner();
    assert!(!alike.text.contains("costs too much"), "{}", alike.text);
    assert!(diverse.text.contains("costs too much") && diverse.text.contains("mesh"), "{}", diverse.text);
    assert!(diverse.token_count <= 56);
    let refused = client.compress(ask(1.5)).await.unwrap_err();
    assert_eq!(refused.message(), "diversity: must be from 0 to 1");
}
