//! tree-sitter grammars, and what their nodes mean for splitting.

use tree_sitter::Node;

use crate::extract::Language;

pub(super) fn grammar(language: Language) -> tree_sitter::Language {
    match language {
        Language::Rust => tree_sitter_rust::LANGUAGE.into(),
        Language::Python => tree_sitter_python::LANGUAGE.into(),
        Language::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
        Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
        Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
        Language::Go => tree_sitter_go::LANGUAGE.into(),
        Language::Java => tree_sitter_java::LANGUAGE.into(),
        Language::C => tree_sitter_c::LANGUAGE.into(),
        Language::Cpp => tree_sitter_cpp::LANGUAGE.into(),
    }
}

/// Nodes that belong to the declaration after them: comments, attributes, decorators.
pub(super) fn leads(node: Node<'_>) -> bool {
    let kind = node.kind();
    kind.contains("comment") || kind == "attribute_item" || kind == "decorator" || kind == "annotation"
}

/// The body of a declaration, if the node is one with a signature before its body.
pub(super) fn body(node: Node<'_>) -> Option<Node<'_>> {
    node.child_by_field_name("body").filter(|body| body.start_byte() > node.start_byte())
}

/// Whether a declaration with this body opens a scope worth naming, as against a loop or a branch.
pub(super) fn opens_scope(node: Node<'_>) -> bool {
    const SCOPES: &[&str] = &[
        "function",
        "method",
        "class",
        "impl",
        "trait",
        "struct",
        "enum",
        "interface",
        "module",
        "mod_item",
        "namespace",
        "constructor",
        "union",
        "record",
        "internal_module",
    ];
    const NOT_SCOPES: &[&str] = &["function_type", "call", "statement_block"];
    let kind = node.kind();
    SCOPES.iter().any(|s| kind.contains(s)) && !NOT_SCOPES.iter().any(|s| kind.contains(s))
}
