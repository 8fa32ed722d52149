//! tree-sitter grammars, and what their nodes mean for splitting.

use tree_sitter::Node;

use crate::extract::Language;

/// The grammar of a language.
pub(super) fn of(language: Language) -> tree_sitter::Language {
    match language {
        Language::Bash => tree_sitter_bash::LANGUAGE,
        Language::C => tree_sitter_c::LANGUAGE,
        Language::Cpp => tree_sitter_cpp::LANGUAGE,
        Language::CSharp => tree_sitter_c_sharp::LANGUAGE,
        Language::Css => tree_sitter_css::LANGUAGE,
        Language::Dart => tree_sitter_dart::LANGUAGE,
        Language::Elixir => tree_sitter_elixir::LANGUAGE,
        Language::Go => tree_sitter_go::LANGUAGE,
        Language::Haskell => tree_sitter_haskell::LANGUAGE,
        Language::Hcl => tree_sitter_hcl::LANGUAGE,
        Language::Java => tree_sitter_java::LANGUAGE,
        Language::JavaScript => tree_sitter_javascript::LANGUAGE,
        Language::Kotlin => tree_sitter_kotlin_ng::LANGUAGE,
        Language::Lua => tree_sitter_lua::LANGUAGE,
        Language::Php => tree_sitter_php::LANGUAGE_PHP,
        Language::Protobuf => tree_sitter_proto::LANGUAGE,
        Language::Python => tree_sitter_python::LANGUAGE,
        Language::Ruby => tree_sitter_ruby::LANGUAGE,
        Language::Rust => tree_sitter_rust::LANGUAGE,
        Language::Scala => tree_sitter_scala::LANGUAGE,
        Language::Sql => tree_sitter_sequel::LANGUAGE,
        Language::Swift => tree_sitter_swift::LANGUAGE,
        Language::Toml => tree_sitter_toml_ng::LANGUAGE,
        Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
        Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
        Language::Yaml => tree_sitter_yaml::LANGUAGE,
        Language::Zig => tree_sitter_zig::LANGUAGE,
    }
    .into()
}

/// Whether a node belongs to the declaration after it: comments, attributes, decorators, Haskell's type
/// signatures, Dart's function signatures, Elixir's module attributes.
pub(super) fn leads(node: Node<'_>) -> bool {
    let kind = node.kind();
    kind.contains("comment")
        || kind == "haddock"
        || matches!(
            kind,
            "attribute_item" | "decorator" | "annotation" | "attribute_list" | "signature" | "function_signature"
        )
        || (kind == "unary_operator" && node.child(0).is_some_and(|c| c.kind() == "@"))
}

/// Nodes that open a scope worth naming, as against a loop or a branch, by a part of their kind.
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
    "initializer_declaration",
    "init_declaration",
    "union",
    "record",
    "object",
    "protocol",
    "extension",
    "instance",
    "message",
    "service",
    "rule_set",
    "media_statement",
    "test_declaration",
    "mixin",
    "companion",
    "package_clause",
    "anonymous_function",
    "lambda",
];
const NOT_SCOPES: &[&str] =
    &["_type", "_call", "invocation", "statement_block", "_body", "_list", "_heritage", "pattern"];
/// Nodes that only stand around a declaration: its signature begins with them.
const WRAPPERS: &[&str] = &[
    "declaration",
    "declarator",
    "export",
    "decorated",
    "template",
    "assignment",
    "expression_statement",
    "definition",
    "pair",
    "call",
    "arguments",
    "statement",
    "property",
];
/// Wrappers that hold a list of equals rather than one declaration.
const NOT_WRAPPERS: &[&str] =
    &["declarations", "block", "compound", "list", "if_", "for_", "while_", "switch", "match", "try", "do_"];
/// Bodies of declarations in grammars that give them no field name.
const BODIES: &[&str] = &[
    "class_body",
    "enum_class_body",
    "function_body",
    "do_block",
    "body",
    "block",
    "message_body",
    "enum_body",
    "declaration_list",
    "template_body",
    "extension_body",
    "protocol_body",
    "mixin_body",
    "object",
    "struct_declaration",
];
/// How many nodes a declaration may be wrapped in.
const MAX_WRAPPING: usize = 8;
/// A wrapped declaration has at least this share of its wrapper's bytes, in percent.
const MIN_WRAPPED_PERCENT: usize = 60;

/// A declaration with a signature before its body. All places are bytes of the source.
pub(super) struct Declaration<'t> {
    /// Where the signature begins, after comments and attributes.
    pub(super) signature: usize,
    /// Where its name ends.
    pub(super) name_end: usize,
    /// Where the signature ends, with the opening bracket of the body.
    pub(super) inner: usize,
    /// Where comments begin that stand before the body and belong to what is first in it.
    pub(super) lead: Option<usize>,
    /// What it holds.
    pub(super) body: Node<'t>,
    /// Where it ends.
    pub(super) end: usize,
}

impl<'t> Declaration<'t> {
    /// The declaration that a node is, or that is nearly all of it.
    pub(super) fn of(node: Node<'t>, language: Language) -> Option<Self> {
        let mut inner = node;
        if language == Language::Toml {
            return Self::toml(node);
        }
        for _ in 0..MAX_WRAPPING {
            if let Some(body) = body(inner, language) {
                return Some(Self::new(node, inner, body));
            }
            if !is_one_of(inner.kind(), WRAPPERS, NOT_WRAPPERS) {
                return None;
            }
            inner = largest_child(inner)?;
        }
        None
    }

    /// A TOML table has no body of its own: its pairs stand beside its key.
    fn toml(node: Node<'t>) -> Option<Self> {
        if !matches!(node.kind(), "table" | "table_array_element") {
            return None;
        }
        let mut cursor = node.walk();
        let first = node.children(&mut cursor).find(|c| c.kind() == "pair")?;
        let (signature, inner) = (node.start_byte(), first.start_byte());
        Some(Self { signature, name_end: inner, inner, lead: None, body: node, end: node.end_byte() })
    }

    fn new(outer: Node<'t>, node: Node<'t>, body: Node<'t>) -> Self {
        let body = innermost(body);
        let signature = start_of_signature(outer);
        let opening = body.child(0).filter(|c| !c.is_named() && c.end_byte() - c.start_byte() <= 2);
        let head = body.start_byte().max(signature);
        let (mut inner, mut lead) = (opening.map_or(head, |c| c.end_byte()), None);
        if opening.is_none() {
            let mut cursor = node.walk();
            let before = node.children(&mut cursor).filter(|c| c.end_byte() <= body.start_byte());
            for child in before.filter(|c| c.start_byte() >= signature) {
                match (leads(child), lead) {
                    (true, None) => lead = Some(child.start_byte()),
                    (true, Some(_)) => {}
                    (false, _) => (inner, lead) = (child.end_byte(), None),
                }
            }
        }
        // A function in a call or an assignment is named by all that stands before it.
        let name_end = match name(node) {
            Some(name) => name.end_byte().clamp(signature, inner.max(signature)),
            None => inner.min(head).max(signature),
        };
        Self { signature, name_end, inner, lead, body, end: outer.end_byte() }
    }
}

/// The node that brackets belong to, where the body only wraps it.
fn innermost(body: Node<'_>) -> Node<'_> {
    match body.named_child(0) {
        Some(only) if body.child_count() == 1 && only.kind().contains("block") => only,
        _ => body,
    }
}

fn is_one_of(kind: &str, some: &[&str], but_not: &[&str]) -> bool {
    some.iter().any(|s| kind.contains(s)) && !but_not.iter().any(|s| kind.contains(s))
}

/// What a node holds, if it opens a scope.
fn body(node: Node<'_>, language: Language) -> Option<Node<'_>> {
    let kind = node.kind();
    let opens = match language {
        Language::Yaml => matches!(kind, "block_mapping_pair"),
        Language::Hcl => kind == "block",
        Language::Elixir => kind == "call",
        _ => is_one_of(kind, SCOPES, NOT_SCOPES),
    };
    if !opens {
        return None;
    }
    let by_field = || node.child_by_field_name("body").or_else(|| node.child_by_field_name("declarations"));
    let by_kind = || {
        let mut cursor = node.walk();
        node.children(&mut cursor).find(|c| BODIES.contains(&c.kind()))
    };
    let body = match language {
        Language::Yaml => node.child_by_field_name("value"),
        _ => by_field().or_else(by_kind),
    };
    body.filter(|body| body.start_byte() > node.start_byte() && body.child_count() > 0)
}

/// The name of a declaration; C and C++ hide it inside declarators.
fn name(node: Node<'_>) -> Option<Node<'_>> {
    let fields = ["name", "key", "type", "selectors"];
    if let Some(name) = fields.iter().find_map(|f| node.child_by_field_name(f))
        && node.child_by_field_name("declarator").is_none()
    {
        return Some(name);
    }
    let mut declarator = node.child_by_field_name("declarator")?;
    for _ in 0..MAX_WRAPPING {
        match declarator.child_by_field_name("declarator") {
            Some(inner) => declarator = inner,
            None => break,
        }
    }
    Some(declarator)
}

/// The child that is nearly all of its parent.
fn largest_child(node: Node<'_>) -> Option<Node<'_>> {
    let mut cursor = node.walk();
    let size = |n: &Node<'_>| n.end_byte() - n.start_byte();
    let largest = node.children(&mut cursor).filter(|c| !leads(*c)).max_by_key(size)?;
    (size(&largest) * 100 >= size(&node) * MIN_WRAPPED_PERCENT).then_some(largest)
}

/// Where the signature proper begins, after attributes and comments that are children of the node.
fn start_of_signature(node: Node<'_>) -> usize {
    let mut cursor = node.walk();
    let first = node.children(&mut cursor).find(|c| !leads(*c));
    first.map_or(node.start_byte(), |c| c.start_byte())
}
