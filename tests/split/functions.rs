//! Functions of real source files: never cut where they fit, whole with what belongs to them.

use tamis::extract::{Extracted, Language, MediaType};
use tamis::split::{Limits, split};

use crate::check::{outline, tokens};

const LIMITS: Limits = Limits { block: 400, segment: 1200, overlap: 0 };
/// Smaller functions are merged with their neighbours.
const MERGED_BELOW: usize = 40;

fn source(file: &str) -> Extracted {
    let path = format!("{}/tests/data/split/code/{file}", env!("CARGO_MANIFEST_DIR"));
    let name = file.strip_suffix(".txt").unwrap();
    let media = MediaType::of_name(name).unwrap();
    assert!(matches!(media, MediaType::Code(_)), "{file}");
    Extracted::text(std::fs::read_to_string(path).unwrap(), media)
}

/// File, first and last line of every function.
fn gold() -> Vec<(&'static str, usize, usize)> {
    let lines = include_str!("../data/split/functions.txt").lines();
    let fields = lines.map(|l| l.split(' ').collect::<Vec<_>>());
    fields.map(|f| (f[0], f[1].parse().unwrap(), f[2].parse().unwrap())).collect()
}

#[test]
fn functions_stay_whole_with_their_comments_and_attributes() {
    let gold = gold();
    let mut files: Vec<&str> = gold.iter().map(|g| g.0).collect();
    files.dedup();
    assert!(gold.len() >= 200 && files.len() >= 10, "{} functions in {} files", gold.len(), files.len());
    let mut wrong = Vec::new();
    for file in files {
        let source = source(file);
        let text = source.text.as_str();
        let starts: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(n, _)| n + 1)).chain([text.len() + 1]).collect();
        let blocks: Vec<(usize, usize)> = split(&source, LIMITS, &tokens)
            .iter()
            .flat_map(|s| &s.blocks)
            .map(|b| (b.span.start as usize, b.span.end as usize))
            .collect();
        for (_, first, last) in gold.iter().filter(|g| g.0 == file) {
            let line = &text[starts[first - 1]..starts[*first] - 1];
            let start = starts[first - 1] + (line.len() - line.trim_start().len());
            let end = starts[*last] - 1;
            let size = tokens(&text[start..end]);
            let cut = blocks.iter().any(|(s, e)| (*s > start && *s < end) || (*e > start && *e < end));
            // A method may share the block of its class, if that fits as a whole.
            let is_outer = !line.starts_with([' ', '\t']);
            let begins = blocks.iter().any(|(s, _)| *s == start);
            // Only what is next to nothing may follow in the same block: a bracket, an alias on the next line.
            let ends = blocks.iter().any(|(_, e)| *e >= end && tokens(&text[end..*e]) < 8);
            if (size <= LIMITS.block && cut)
                || (is_outer && size >= MERGED_BELOW && !ends)
                || (size > LIMITS.block && !begins)
            {
                let what = if cut { "cut" } else { "joined" };
                wrong.push(format!("{file}:{first}-{last} ({size} tokens) is {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} functions:\n{}", wrong.len(), gold.len(), wrong.join("\n"));
}

/// A function that is too large is cut at its statements, each with the function's signature before it.
#[test]
fn large_functions_are_cut_at_statements() {
    let limits = Limits { block: 40, segment: 160, overlap: 0 };
    for file in ["errors.go.txt", "InputDefinition.php.txt"] {
        let shown: Vec<String> = outline(&source(file), limits).lines().map(str::to_owned).collect();
        insta::assert_snapshot!(file, shown.join("\n"));
    }
}

/// Every language has a grammar that finds its declarations, and names them.
#[test]
fn every_language_names_its_scopes() {
    let limits = Limits { block: 12, segment: 200, overlap: 0 };
    let mut out = String::new();
    for (language, text) in [
        (Language::Bash, "# Greets.\ngreet() {\n  echo \"hello to the world\"\n  echo \"and to the sieve there\"\n}\n"),
        (
            Language::CSharp,
            "namespace A {\n  class B {\n    /// <summary>Adds.</summary>\n    public int Add(int a, int b) {\n      var sum = a + b + Offset(a);\n      return Round(sum) + Base(sum);\n    }\n  }\n}\n",
        ),
        (
            Language::Css,
            "@media print {\n  .sieve { color: red; background: white; border: none; }\n  .bowl { color: blue; background: black; border: thin; }\n}\n",
        ),
        (
            Language::Dart,
            "class A {\n  /// Adds.\n  int add(int a, int b) {\n    var sum = a + b + offset(a);\n    return round(sum) + base(sum);\n  }\n}\n",
        ),
        (
            Language::Elixir,
            "defmodule Kitchen.Sieve do\n  @doc \"Presses.\"\n  def press(food) do\n    kept = Enum.filter(food, &keep/1)\n    Enum.join(kept, \" and then some more \")\n  end\nend\n",
        ),
        (
            Language::Haskell,
            "module A where\n\n-- | Presses.\npress :: String -> String\npress food = filter keep (map lower (concat (words food)))\n\ninstance Show Sieve where\n  show s = \"a sieve with a mesh of \" ++ show (mesh s) ++ \" holes\"\n  showList s = undefined and so on and so forth for a while\n",
        ),
        (
            Language::Hcl,
            "resource \"kitchen_sieve\" \"fine\" {\n  mesh = 12\n  tags = { owner = \"cook\", place = \"shelf\" }\n  lifecycle { prevent_destroy = true }\n}\n",
        ),
        (
            Language::Kotlin,
            "class Sieve(val mesh: Int) {\n  /** Presses. */\n  fun press(food: String): String {\n    val kept = food.filter { it.isLetter() }\n    return kept.take(mesh) + rest(food, mesh)\n  }\n}\n",
        ),
        (
            Language::Lua,
            "-- Presses.\nfunction Sieve:press(food)\n  local kept = food:gsub('%W', '')\n  return kept .. self:rest(food) .. 'and more of it'\nend\n",
        ),
        (
            Language::Protobuf,
            "message Sieve {\n  // How fine.\n  uint32 mesh = 1;\n  string name = 2;\n  message Hole { uint32 size = 1; uint32 depth = 2; }\n}\n",
        ),
        (
            Language::Ruby,
            "module Kitchen\n  class Sieve\n    # Presses.\n    def press(food)\n      kept = food.gsub(/\\W/, '')\n      kept + rest(food, kept) + 'and more of it'\n    end\n  end\nend\n",
        ),
        (
            Language::Scala,
            "object Kitchen {\n  /** Presses. */\n  def press(food: String): String = {\n    val kept = food.filter(_.isLetter)\n    kept.take(3) + rest(food, kept) + \"and more\"\n  }\n}\n",
        ),
        (
            Language::Sql,
            "-- Sieves.\nCREATE TABLE sieve (id INTEGER PRIMARY KEY, mesh INTEGER NOT NULL, name TEXT, shelf TEXT);\nSELECT name, mesh FROM sieve WHERE mesh > 3 AND shelf = 'left' ORDER BY name;\n",
        ),
        (
            Language::Swift,
            "struct Sieve {\n  /// Presses.\n  func press(_ food: String) -> String {\n    let kept = food.filter { $0.isLetter }\n    return kept.prefix(3) + rest(food, kept)\n  }\n}\n",
        ),
        (
            Language::Zig,
            "/// Presses.\npub fn press(food: []const u8) usize {\n    var kept: usize = count(food, 'a') + count(food, 'b');\n    return kept + rest(food, kept) + 12;\n}\n",
        ),
    ] {
        out.push_str(&format!(
            "# {language:?}\n{}",
            outline(&Extracted::text(text, MediaType::Code(language)), limits)
        ));
    }
    insta::assert_snapshot!(out);
}
