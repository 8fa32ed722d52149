//! What the fuzzer kept: inputs that between them reach every place of the parsers it could find.

use std::io::Read;

use tamis::extract;

use crate::any_bytes;
use crate::check::check;

#[test]
fn every_input_the_fuzzer_kept_still_splits() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    let mut replayed = 0;
    for archive in std::fs::read_dir(corpus).unwrap() {
        let path = archive.unwrap().path();
        let format = path.file_stem().unwrap().to_str().unwrap();
        let mut zip = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
        for n in 0..zip.len() {
            let mut bytes = Vec::new();
            zip.by_index(n).unwrap().read_to_end(&mut bytes).unwrap();
            let (media, bytes) = any_bytes::document(format, &bytes);
            if let Ok(source) = extract::from_bytes("x", media, bytes) {
                check(&source);
            }
            replayed += 1;
        }
    }
    assert!(replayed > 0, "nothing in {corpus}");
}
