//! The golden vectors of `protocol/vectors`: the SDK computes each case from its inputs, and every field of the output
//! must be the same. They were written by the Python implementation in `tests/wire`.

mod blobs;
mod case;
mod entries;
mod envelopes;
mod small;

use case::{CaseInput, CaseResult};
use serde_json::Value;

/// Checks every case of a file; `operation` computes a case from its input.
fn meets(file: &str, text: &str, operation: impl Fn(&str, &CaseInput<'_>) -> CaseResult) {
    let vectors: Value = serde_json::from_str(text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(!cases.is_empty(), "{file} has no cases");
    for case in cases {
        let name = format!("{file}: {}: {}", case["do"], case["name"]);
        match operation(case["do"].as_str().unwrap(), &CaseInput(&case["in"])) {
            Ok(out) => assert_eq!(Some(&out), case.get("out"), "{name}"),
            Err(code) => assert_eq!(Some(code), case["refused"].as_str(), "{name}"),
        }
    }
}

macro_rules! vectors {
    ($name:ident, $file:literal, $operation:path) => {
        #[test]
        fn $name() {
            meets($file, include_str!(concat!("../../../../protocol/vectors/", $file)), $operation);
        }
    };
}

vectors!(sub_keys_are_derived_as_in_the_vectors, "subkeys.json", small::sub_keys);
vectors!(lengths_are_padded_as_in_the_vectors, "padding.json", small::padding);
vectors!(names_are_hidden_as_in_the_vectors, "names.json", small::names);
vectors!(heads_are_summed_as_in_the_vectors, "head.json", small::head);
vectors!(streams_are_stored_as_in_the_vectors, "stream.json", small::stream);
vectors!(vaults_are_stored_as_in_the_vectors, "vault.json", small::vault);
vectors!(recovery_keys_are_displayed_and_parsed_as_in_the_vectors, "recovery.json", small::recovery);
vectors!(entries_are_sealed_and_opened_as_in_the_vectors, "entry.json", entries::entry);
vectors!(envelopes_are_sealed_and_opened_as_in_the_vectors, "envelope.json", envelopes::envelope);
vectors!(blobs_are_sealed_and_opened_as_in_the_vectors, "blob.json", blobs::blob);
