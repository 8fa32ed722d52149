//! What the fuzzer kept: inputs that between them reach every place of the parsers it could find.

use tamis::extract;

use crate::any_bytes;
use crate::check::check;

#[test]
fn every_input_the_fuzzer_kept_still_splits() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    let mut replayed = 0;
    for format in std::fs::read_dir(corpus).unwrap() {
        let format = format.unwrap();
        let name = format.file_name().into_string().unwrap();
        for input in std::fs::read_dir(format.path()).unwrap() {
            let bytes = std::fs::read(input.unwrap().path()).unwrap();
            let (media, bytes) = any_bytes::document(&name, &bytes);
            if let Ok(source) = extract::from_bytes("x", media, bytes) {
                check(&source);
            }
            replayed += 1;
        }
    }
    assert!(replayed > 0, "nothing in {corpus}");
}
