//! The base page, and the rows that change it.

/// A small page with something of everything; the rows below change it.
pub(crate) const BASE: &str = r#"---
title: "Update toy"
ms.date: 01/02/2026
---

# Update toy

Namespace: microsoft.graph.toys

Changes a toy.

## HTTP request

<!-- { "blockType": "ignored" } -->
``` http
PATCH /toys/{toyId}
```

## Request headers
|Name|Description|
|:---|:---|
|Authorization|Bearer {token}. Required.|
|Content-Type|application/json. Required.|

## Request body

|Property|Type|Description|
|:---|:---|:---|
|owner|String|Who has it, or null.|
|kind|microsoft.graph.toys.toyKind|What it is. Possible values are: `ball`, `doll`, `unknownFutureValue`.|
|tags|String collection|Words for it.|
|broken|Boolean|Whether it is.|

## Response

A `200 OK`.

## Examples

### Request

# [HTTP](#tab/http)
<!-- {
  "blockType": "request",
  "sampleKeys": ["42"]
}
-->
``` http
PATCH https://graph.microsoft.com/v1.0/toys/42
Content-Type: application/json

{
  "kind": "Doll",
  "tags": ["red"]
}
```

---
"#;

pub(crate) const KIND: &str = "|kind|microsoft.graph.toys.toyKind|What it is. Possible values are: `ball`, `doll`, `unknownFutureValue`.|";
pub(crate) const LIST: &str = "Possible values are: `ball`, `doll`, `unknownFutureValue`.";
pub(crate) const OWNER: &str = "|owner|String|Who has it, or null.|";
pub(crate) const TABLE: &str = "|Property|Type|Description|\n|:---|:---|:---|\n";
pub(crate) const WHOLE: &str = "|Property|Type|Description|\n|:---|:---|:---|\n|owner|String|Who has it, or null.|\n|kind|microsoft.graph.toys.toyKind|What it is. Possible values are: `ball`, `doll`, `unknownFutureValue`.|\n|tags|String collection|Words for it.|\n|broken|Boolean|Whether it is.|\n";
pub(crate) const REQUEST: &str =
    "<!-- {\n  \"blockType\": \"request\",\n  \"sampleKeys\": [\"42\"]\n}\n-->\n";
pub(crate) const PATCH: &str = "PATCH /toys/{toyId}\n";

/// Rows that say the same in another way.
#[rustfmt::skip] // One row, one line.
pub(crate) const SAME: &[(&str, &str, &str)] = &[
    ("a space that does not break", "Who has it, or null.", "Who has it,\u{a0}or null."),
    ("an entity for a space", "Who has it, or null.", "Who has it,&nbsp;or null."),
    ("spaces behind a row", OWNER, "|owner|String|Who has it, or null.|   "),
    ("a name in italics", "|owner|", "|*owner*|"),
    ("a name in bold code", "|owner|", "|**`owner`**|"),
    ("a collection of an Edm type", "String collection", "Edm.String collection"),
    ("values in smart quotation marks", LIST, "Possible values are: \u{201c}ball\u{201d}, \u{201c}doll\u{201d}, \u{201c}unknownFutureValue\u{201d}."),
    ("values in a sentence of their own line", LIST, "<br>Possible values are: `ball`, `doll`, `unknownFutureValue`."),
    ("a list with or before the last value", LIST, "Possible values are `ball`, `doll`, or `unknownFutureValue`."),
    ("a list with and before the last value", LIST, "Possible values are: `ball`, `doll` and `unknownFutureValue`."),
    ("a list in capitals", LIST, "POSSIBLE VALUES ARE: `ball`, `doll`, `unknownFutureValue`."),
    ("sentences with code behind the list", LIST, "The possible values are: `ball`, `doll`, `unknownFutureValue`. You must use the `Prefer: include-unknown-enum-members` request header to get the following values in this evolvable enum: `bear`."),
    ("an absolute path beside a relative one", PATCH, "PATCH https://graph.microsoft.com/v1.0/toys/{toyId}\nPATCH /toys/{toyId}\n"),
    ("verbs around it", PATCH, "GET /toys/{toyId}\nPATCH /toys/{toyId}\nDELETE /toys/{toyId}\n"),
    ("an include under the heading of the request", "## HTTP request\n", "## HTTP request\n[!INCLUDE [x](../y.md)]\n"),
    ("a note before the table", "## Request body\n", "## Request body\n> [!NOTE]\n> Send JSON.\n\n"),
    ("a zone around the table", "## Request body\n", "## Request body\n::: zone pivot=\"x\"\n\n"),
    ("a comment over several lines before the table", "## Request body\n", "## Request body\n<!--\n{ \"a\": 1 }\n\n-->\n"),
    ("a comment within a paragraph", "Changes a toy.", "Changes <!-- | a | b | --> a toy."),
    ("a column in front", WHOLE, "|For|Property|Type|Description|\n|:---|:---|:---|:---|\n|all|owner|String|Who has it, or null.|\n|all|kind|microsoft.graph.toys.toyKind|What it is. Possible values are: `ball`, `doll`, `unknownFutureValue`.|\n|all|tags|String collection|Words for it.|\n|all|broken|Boolean|Whether it is.|\n"),
    ("a column behind", WHOLE, "|Property|Type|Description|Applies to open toys?|\n|:---|:---|:---|:---|\n|owner|String|Who has it, or null.|No|\n|kind|microsoft.graph.toys.toyKind|What it is. Possible values are: `ball`, `doll`, `unknownFutureValue`.|Yes|\n|tags|String collection|Words for it.|Yes|\n|broken|Boolean|Whether it is.|No|\n"),
    ("columns in another order", WHOLE, "|Type|Property|Description|\n|:---|:---|:---|\n|String|owner|Who has it, or null.|\n|microsoft.graph.toys.toyKind|kind|What it is. Possible values are: `ball`, `doll`, `unknownFutureValue`.|\n|String collection|tags|Words for it.|\n|Boolean|broken|Whether it is.|\n"),
    ("an example of an answer with another shape", "```\n\n---", "```\n\n### Response\n<!-- { \"blockType\": \"response\", \"truncated\": true } -->\n``` http\nHTTP/1.1 200 OK\n\n{ \"else\": [1,] }\n```\n---"),
    ("several examples", "```\n\n---", "```\n\n### Request 2\n<!-- { \"blockType\": \"request\" } -->\n``` http\nPATCH https://graph.microsoft.com/v1.0/toys/43\n\n{\"kind\": \"Doll\", \"tags\": [\"red\"]}\n```\n---"),
    ("an example with more headers", "Content-Type: application/json\n\n{", "Content-Type: application/json\nIf-Match: *\nPrefer: return=minimal\n\n{"),
    ("an example indented by tabs", "  \"kind\": \"Doll\",", "\t\"kind\" : \"Doll\" ,"),
    ("windows line ends", "\n", "\r\n"),
    ("a byte order mark", "---\ntitle", "\u{feff}---\ntitle"),
    ("unknown front matter", "ms.date:", "# c\nlist:\n  - ms.date: 05/05/2005\nms.date:"),
    ("front matter without quotation marks", "\"Update toy\"", "Update toy"),
    ("front matter in single quotation marks", "\"Update toy\"", "'Update toy'"),
    ("a date as in ISO 8601", "01/02/2026", "2026-01-02"),
    ("title from the heading", "title: \"Update toy\"\n", ""),
    ("namespace in bold", "Namespace: microsoft.graph.toys", "**Namespace:** microsoft.graph.toys"),
    ("namespace in a paragraph", "toys\n\nChanges", "toys\nChanges"),
    ("heading in capitals", "## HTTP request", "## HTTP Request"),
    ("heading with closing marks", "## Request body", "## Request body ##"),
    ("an include before the table", "## Request body\n", "## Request body\n[!INCLUDE [t](../a.md)]\n"),
    ("a comment before the table", "## Request body\n", "## Request body\n<!-- old: PATCH -->\n"),
    ("a whole table in a comment", "## Request body\n", "## Request body\n<!--\n|Property|Type|\n|-|-|\n|a|String|\n-->\n"),
    ("a comment after the table", "## Response", "<!-- { \"blockType\": \"x\" } -->\n## Response"),
    ("a comment in a cell", "Who has it", "Who <!-- really --> has it"),
    ("an include in a cell", "Whether it is.", "[!INCLUDE [t](../a.md)]"),
    ("an html break in a cell", "What it is. ", "What it is.<br/>"),
    ("a subheading over the table", "## Request body\n", "## Request body\n### Properties\n"),
    ("padded cells", OWNER, "|   owner    | String   |  Who has it, or null.     |"),
    ("no outer pipes", OWNER, "owner | String | Who has it, or null."),
    ("tabs around cells", OWNER, "|\towner\t|\tString\t|\tWho has it, or null.\t|"),
    ("other alignments", "|:---|:---|:---|", "|---|:-:|------:|"),
    ("bold titles", "|Property|Type|Description|", "|**Property**|**Type**|**Description**|"),
    ("another title", "|Property|", "|Parameter|"),
    ("an extra column", TABLE, "|Property|Type|Description|More|\n|:---|:---|:---|:---|\n"),
    ("an escaped pipe", "Who has it", "Who \\| whoever has it"),
    ("a name in code", "|owner|", "|`owner`|"),
    ("a name in bold", "|owner|", "|**owner**|"),
    ("a deprecated name", "|owner|", "|owner (deprecated)|"),
    ("a heading in the table", OWNER, "|**Mine**|||\n|owner|String|Who has it, or null.|"),
    ("an empty row", OWNER, "||||\n|owner|String|Who has it, or null.|"),
    ("a read-only row", OWNER, "|age|Int32|Its age. Read-only.|\n|owner|String|Who has it, or null.|"),
    ("a read-only row with another hyphen", OWNER, "|age|Int32|Its age. Read\u{2011}only.|\n|owner|String|Who has it, or null.|"),
    ("a row that a link calls read-only", OWNER, "|age|Int32|Its age. [Read-only](../r.md).|\n|owner|String|Who has it, or null.|"),
    ("a key", OWNER, "|id|String|What it goes by.|\n|owner|String|Who has it, or null.|"),
    ("an annotation as a row", OWNER, "|@odata.type|String|Its type.|\n|owner|String|Who has it, or null.|"),
    ("a type of Edm", "|String|", "|Edm.String|"),
    ("a type with a space that does not break", "String collection", "String\u{a0}collection"),
    ("a type in lower case", "|String|", "|string|"),
    ("a type in code", "|String|", "|`String`|"),
    ("a linked type", "|String|", "|[String](../x.md)|"),
    ("null in the type", "|String|Who has it, or null.|", "|String (nullable)|Who has it.|"),
    ("null in code", "or null", "or `null`"),
    ("set to null", "Who has it, or null.", "Who has it. Set to null to clear it."),
    ("nullable", "Who has it, or null.", "Who has it. Nullable."),
    ("a collection in parentheses", "String collection", "Collection(String)"),
    ("a collection of Edm", "String collection", "Collection(Edm.String)"),
    ("a collection in capitals", "String collection", "String Collection"),
    ("a bare enumeration", "|microsoft.graph.toys.toyKind|", "|toyKind|"),
    ("a linked enumeration", "|microsoft.graph.toys.toyKind|", "|[toyKind](../resources/toy.md#kinds)|"),
    ("a linked qualified enumeration", "|microsoft.graph.toys.toyKind|", "|[microsoft.graph.toys.toyKind](../resources/toy.md)|"),
    ("a type called an enum", "|microsoft.graph.toys.toyKind|", "|toyKind enum|"),
    ("the possible values are", LIST, "The possible values are: `ball`, `doll`, `unknownFutureValue`."),
    ("possible values", LIST, "Possible values: `ball`, `doll`, `unknownFutureValue`"),
    ("allowed values", LIST, "Allowed values are `ball`, `doll`, and `unknownFutureValue`."),
    ("supported values", LIST, "Supported values are: `ball` , `doll`, or `unknownFutureValue`."),
    ("values in the collection", LIST, "Allowed values in the collection are: `ball`,`doll`,`unknownFutureValue`."),
    ("can be set to", LIST, "It can be set to `ball`, `doll` or `unknownFutureValue`."),
    ("must be one of", LIST, "Must be one of `ball`, `doll`, `unknownFutureValue`."),
    ("one of the following", LIST, "Can be one of the following: `ball`, `doll`, `unknownFutureValue`."),
    ("must be or", LIST, "Must be `ball`, `doll`, `unknownFutureValue` or empty."),
    ("only are supported", LIST, "Only `ball`, `doll`, and `unknownFutureValue` are supported."),
    ("bold values", LIST, "Possible values are: **ball**, **doll**, **unknownFutureValue**."),
    ("values in quotation marks", LIST, "Possible values are: \"ball\", \"doll\", \"unknownFutureValue\"."),
    ("values without dress", LIST, "Possible values are: ball, doll, unknownFutureValue."),
    ("values separated by slashes", LIST, "Possible values are: `ball`/`doll`/`unknownFutureValue`."),
    ("values in a list", LIST, "Possible values are: <ul><li>`ball`: round.</li><li>`doll`</li><li>`unknownFutureValue`</li></ul>"),
    ("values that are links", LIST, "Possible values are: [`ball`](#b), `doll`, `unknownFutureValue`."),
    ("a remark after a value", LIST, "Possible values are: `ball` (default), `doll` (see `ball`), `unknownFutureValue`."),
    ("words after the list", LIST, "Possible values are: `ball`, `doll`, `unknownFutureValue`. Ask with `Prefer: x` to see `bear`."),
    ("a default after the list", LIST, "Possible values are: `ball`, `doll`, `unknownFutureValue`, where `ball` is the default."),
    ("a sentence before the list", LIST, "See [kinds](../k.md). Possible values are: `ball`, `doll`, `unknownFutureValue`."),
    ("an inherited property", LIST, "Possible values are: `ball`, `doll`, `unknownFutureValue`. Inherited from [thing](../t.md)."),
    ("an absolute path", PATCH, "PATCH https://graph.microsoft.com/v1.0/toys/{toyId}\n"),
    ("a relative path", PATCH, "PATCH toys/{toyId}\n"),
    ("a path with a version", PATCH, "PATCH /v1.0/toys/{toyId}\n"),
    ("a path with a query", PATCH, "PATCH /toys/{toyId}?$select=kind\n"),
    ("a protocol after the path", PATCH, "PATCH /toys/{toyId} HTTP/1.1\n"),
    ("another verb beside it", PATCH, "PUT /toys/{toyId}\nPATCH /toys/{toyId}\n"),
    ("the same path twice", PATCH, "PATCH /toys/{toyId}\n\nPATCH /toys/{toyId}\n"),
    ("a path that is no route", PATCH, "PATCH /toys/{toyId}\nPATCH /root:/{item-path}:/toys/{toyId}\n"),
    ("another language beside it", "``` http\nPATCH /toys/{toyId}", "~~~\nPATCH /toys/{toyId}\n~~~\n```"),
    ("an optional header", "|Content-Type|", "|If-Match|The ETag. Optional.|\n|Content-Type|"),
    ("a header required in some cases", "|Content-Type|", "|If-Match|Required when it has changed.|\n|Content-Type|"),
    ("headers in another case", "|Content-Type|", "|Content-type|"),
    ("headers with a type", "|Name|Description|\n|:---|:---|\n|Authorization|", "|Name|Type|Description|\n|:---|:---|:---|\n|Authorization|string|"),
    ("no headers", "|Content-Type|application/json. Required.|\n", ""),
    ("a tab without a title", "# [HTTP](#tab/http)", "# [](#tab/http)"),
    ("no tabs", "# [HTTP](#tab/http)\n", ""),
    ("a rule right under text", "```\n\n---\n", "```\n\ntext\n---\n\n# [C#](#tab/csharp)\n``` csharp\nPATCH x\n```\n"),
    ("an example without an annotation", REQUEST, ""),
    ("an example with a broken annotation", REQUEST, "<!-- { \"blockType\": \"request\", } -->\n"),
    ("words between annotation and code", "}\n-->\n", "}\n-->\n[!INCLUDE [x](y)]\n\n"),
    ("an example with a query", "toys/42\n", "toys/42?$select=kind\n"),
    ("an example with a protocol", "toys/42\n", "toys/42 HTTP/1.1\n"),
    ("an example without a line between", "json\n\n{", "json\n{"),
    ("the same example twice", "```\n\n---", "```\n\n``` http\nPATCH https://graph.microsoft.com/v1.0/toys/42\n\n{\"kind\": \"Doll\", \"tags\": [\"red\"]}\n```\n---"),
    ("an example without a body", "```\n\n---", "```\n\n``` http\nPATCH https://graph.microsoft.com/v1.0/toys/42\n```\n---"),
    (
        "an example of another verb",
        "```\n\n---",
        "```\n\n``` http\nGET https://graph.microsoft.com/beta/toys/42\n```\n---",
    ),
];

/// Rows that are refused: what is changed, and the code, line and column of the refusal.
#[rustfmt::skip] // One row, one line.
pub(crate) const REFUSED: &[(&str, &str, &str, &str, usize, usize)] = &[
    ("no update", PATCH, "PUT /toys/{toyId}\n", "noPatchLine", 16, 1),
    ("no path", PATCH, "PATCH\n", "noPatchLine", 16, 1),
    ("an update in lower case", PATCH, "patch /toys/{toyId}\n", "noPatchLine", 16, 1),
    ("no section of the request", "## HTTP request", "## Way", "noPatchLine", 1, 1),
    ("an empty section of the request", PATCH, "\n", "noPatchLine", 12, 1),
    ("only paths that are no route", PATCH, "PATCH /root:/{item-path}:/toys\n", "noRoute", 16, 7),
    ("no version", "https://graph.microsoft.com/v1.0/toys/42", "/toys/42", "noVersion", 16, 7),
    ("no section of the body", "## Request body", "## Thing", "noTable", 1, 1),
    ("no table", TABLE, "|Property|Kind|Description|\n|:---|:---|:---|\n", "noTable", 25, 1),
    ("a table in HTML", WHOLE, "<table><tr><td>owner</td></tr></table>\n", "noTable", 27, 1),
    ("an array as the body", WHOLE, "Send an array of toys.\n", "arrayBody", 27, 1),
    ("bytes as the body", WHOLE, "Send the binary contents.\n", "binaryBody", 27, 1),
    ("an image as the body", "application/json. Required", "image/jpeg. Required", "binaryBody", 23, 1),
    ("two tables", "\n## Response", "\n|Property|Type|\n|-|-|\n|a|String|\n\n## Response", "severalTables", 34, 1),
    ("descriptions by another name", TABLE, "|Property|Type|Details|\n|:---|:---|:---|\n", "noTable", 27, 16),
    ("no descriptions", WHOLE, "|Property|Type|\n|-|-|\n|owner|String|\n", "noTable", 27, 1),
    ("a column for null", TABLE, "|Property|Type|Nullable|Description|\n|-|-|-|-|\n", "unknownColumn", 27, 16),
    ("a column for what is read-only", TABLE, "|Property|Type|Description|Read-only?|\n|-|-|-|-|\n", "unknownColumn", 27, 28),
    ("a column of values", TABLE, "|Property|Type|Description|Possible values|\n|-|-|-|-|\n", "unknownColumn", 27, 28),
    ("a table without a line of dashes", "|:---|:---|:---|\n", "", "brokenTable", 27, 1),
    ("a comment in the table", KIND, "<!-- kind -->\n|kind|String|x|", "brokenTable", 31, 1),
    ("a blank line in the table", "|tags|", "\n|tags|", "brokenTable", 32, 1),
    ("an open resource", "Changes a toy.", "A toy is an open type.", "openType", 10, 1),
    ("a row without a type", OWNER, "|owner|||", "unreadableRow", 29, 2),
    ("a row without a name", OWNER, "||String|Who has it.|", "unreadableRow", 29, 2),
    ("a name of two words", OWNER, "|the owner|String|Who has it.|", "unreadableRow", 29, 2),
    ("a line that went on", OWNER, "|owner|String|Who has it,\nor null.|", "unreadableRow", 30, 1),
    ("a pipe that is not escaped", OWNER, "|owner|String|Who | whoever has it.|", "unreadableRow", 29, 15),
    ("a name twice", "|tags|", "|owner|", "duplicateProperty", 31, 1),
    ("a name in another case", "|tags|", "|Owner|", "duplicateProperty", 31, 1),
    ("nothing to change", WHOLE, "|Property|Type|Description|\n|-|-|-|\n|owner|String|Read-only.|\n", "noProperties", 27, 1),
    ("an unknown type", "|Boolean|", "|Bolean|", "unknownType", 32, 9),
    ("two types", "|Boolean|", "|Boolean, String|", "unknownType", 32, 9),
    ("no type", "|Boolean|", "| |", "unknownType", 32, 9),
    ("a bare type without values", "|Boolean|", "|toyState|", "unknownType", 32, 9),
    ("an enumeration without values", LIST, "", "enumWithoutValues", 30, 7),
    ("a linked enumeration without values", "|Boolean|", "|[toyState](../toy.md#states)|", "enumWithoutValues", 32, 9),
    ("an enumeration with values elsewhere", LIST, "See [kinds](../k.md) for possible values.", "enumWithoutValues", 30, 7),
    ("a complex type", "|Boolean|", "|[toyState](../state.md)|", "complexType", 32, 9),
    ("a collection of a complex type", "|Boolean|", "|[toyState](../state.md) collection|", "complexType", 32, 9),
    ("an open type", "|Boolean|", "|Json|", "openType", 32, 9),
    ("a stream", "|Boolean|", "|Edm.Stream|", "streamType", 32, 9),
    ("a list cut by a link", LIST, "Possible values are: `ball`, `doll`, [and so on](../k.md).", "valuesCut", 30, 85),
    ("a list that is a link", LIST, "Possible values are listed [here](../k.md).", "valuesCut", 30, 75),
    ("a list that leads to a link", LIST, "Possible values are: `ball`, `doll`; see [kinds](../k.md) for more.", "valuesCut", 30, 89),
    ("a list of ranges", LIST, "Possible values are: `ball1` through `ball9`.", "valuesUnclear", 30, 85),
    ("a list with explanations", LIST, "Possible values are: `ball` - round, `doll` - not.", "valuesUnclear", 30, 85),
    ("a list that is not all", LIST, "Possible values are: `ball`, `doll`, and others.", "valuesUnclear", 30, 89),
    ("a list of numbers by name", LIST, "Possible values are: `ball=0`, `doll=1`.", "valuesUnclear", 30, 69),
    ("a list in one piece of code", LIST, "Possible values are: `ball, doll`.", "valuesUnclear", 30, 69),
    ("a list of nothing", LIST, "Possible values are:", "valuesUnclear", 30, 67),
    ("a list of prose", LIST, "Possible values are whatever fits.", "valuesUnclear", 30, 68),
    ("two lists", LIST, "Possible values are: `ball`. Possible values are: `doll`.", "valuesUnclear", 30, 77),
    ("bounds the wrong way round", "|Boolean|Whether it is.|", "|Int32|Valid values 9 to 1.|", "boundsUnclear", 32, 15),
    ("bounds of a Double the wrong way round", "|Boolean|Whether it is.|", "|Double|Valid values 1 to 0.|", "boundsUnclear", 32, 16),
    ("bounds of a whole number that are none", "|Boolean|Whether it is.|", "|Int32|Valid values 0.5 to 1.5.|", "boundsUnclear", 32, 15),
    ("an example that is not JSON", "[\"red\"]", "[\"red\"],", "exampleNotJson", 55, 1),
    ("an example with a hole", "\"Doll\"", "{…}", "exampleNotJson", 53, 12),
    ("an example with a name twice", "[\"red\"]", "[\"red\"], \"kind\": \"Doll\"", "exampleNotJson", 54, 20),
    ("an example that ends early", "[\"red\"]\n}", "[\"red\"]", "exampleNotJson", 54, 17),
    ("an example that is an array", "{\n  \"kind\": \"Doll\",\n  \"tags\": [\"red\"]\n}", "[{}]", "arrayBody", 52, 1),
    ("an example of bytes", "Content-Type: application/json\n", "Content-Type: image/jpeg\n", "binaryBody", 50, 1),
    ("an example with another property", "\"tags\"", "\"size\"", "exampleUnknownField", 54, 3),
    ("an example with a name in another case", "\"tags\"", "\"Tags\"", "exampleUnknownField", 54, 3),
    ("an example with an annotation", "\"tags\"", "\"@odata.etag\"", "exampleUnknownField", 54, 3),
    ("an example with another value", "\"Doll\"", "\"bear\"", "exampleInvalid", 53, 3),
    ("an example with null", "\"Doll\"", "null", "exampleInvalid", 53, 3),
    ("an example of another type", "[\"red\"]", "\"red\"", "exampleInvalid", 54, 3),
    ("a NUL", "Changes", "Chan\0ges", "nulByte", 10, 5),
];

/// A row of the table, and the property that it becomes.
#[rustfmt::skip] // One row, one line.
pub(crate) const ROWS: &[(&str, &str, &str)] = &[
    ("String", "Any text.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("String", "The maximum length is 64 characters.", r#"{"type":"string","maxLength":64,"x-graph-type":"String"}"#),
    ("String", "Must be `owner` or empty.", r#"{"type":"string","enum":["owner","Owner",""],"x-canonical":{"Owner":"owner"},"x-graph-type":"String"}"#),
    ("String", "The possible values are: `None`, `Single`.", r#"{"type":"string","enum":["None","Single"],"x-graph-type":"String"}"#),
    ("String", "Possible values are: `a`, `A`, `b`, `null`.", r#"{"type":["string","null"],"enum":["a","A","b","B",null],"x-canonical":{"B":"b"},"x-graph-type":"String"}"#),
    ("String", "Must be `https` in front of `host`.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("String", "The first character must be `_`.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("String", "Must be `_` and a word.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("String", "Can be set to \"hidden\", which hides it.", r#"{"type":"string","enum":["hidden","Hidden"],"x-canonical":{"Hidden":"hidden"},"x-graph-type":"String"}"#),
    ("String", "Can be set to show or hide it.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("String", "The maximum length is 64 KB.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("String", "Maximum length: 1 000 characters.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("String", "The maximum length is 9223372036854775807 characters.", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
    ("Boolean", "Possible values are `true` and `false`.", r#"{"type":"boolean","x-graph-type":"Boolean"}"#),
    ("Boolean", "Whether the folder is read-only.", r#"{"type":"boolean","x-graph-type":"Boolean"}"#),
    ("Boolean", "Nullable.", r#"{"type":["boolean","null"],"x-graph-type":"Boolean"}"#),
    ("Boolean", "Nullable: no.", r#"{"type":"boolean","x-graph-type":"Boolean"}"#),
    ("Boolean", "Empty or null values aren't allowed.", r#"{"type":"boolean","x-graph-type":"Boolean"}"#),
    ("Boolean (nullable)", "Cannot be null.", r#"{"type":"boolean","x-graph-type":"Boolean"}"#),
    ("toyPart", "Possible values are: `arm`, `null`. Not nullable.", r#"{"type":"string","enum":["arm","Arm"],"x-canonical":{"Arm":"arm"},"x-graph-type":"microsoft.graph.toys.toyPart"}"#),
    ("Int32", "", r#"{"type":"integer","minimum":-2147483648,"maximum":2147483647,"x-graph-type":"Int32"}"#),
    ("Int32", "Valid values 1 to 99 Inherited from [x](y)", r#"{"type":"integer","minimum":1,"maximum":99,"x-graph-type":"Int32"}"#),
    ("Int32", "Supported values are: `2`, `4` or `8`.", r#"{"type":"integer","enum":[2,4,8],"x-graph-type":"Int32"}"#),
    ("Int32", "Supported values are: `2`, `02` or `+2`.", r#"{"type":"integer","enum":[2],"x-graph-type":"Int32"}"#),
    ("Int64", "", r#"{"type":"integer","minimum":-9007199254740991,"maximum":9007199254740991,"x-ours":["minimum","maximum"],"x-graph-type":"Int64"}"#),
    ("Int64", "Valid values 0 to 10", r#"{"type":"integer","minimum":0,"maximum":10,"x-graph-type":"Int64"}"#),
    ("Double", "", r#"{"type":"number","x-graph-type":"Double"}"#),
    ("Edm.Single", "Valid values -1.7E+38 to 1.7E+38", r#"{"type":"number","x-graph-type":"Single"}"#),
    ("Double", "Valid values 0 to 10", r#"{"type":"number","minimum":0,"maximum":10,"x-graph-type":"Double"}"#),
    ("Double", "Valid values 0.5 to 1.5", r#"{"type":"number","minimum":0.5,"maximum":1.5,"x-graph-type":"Double"}"#),
    ("Double", "Valid values 0 to 9223372036854775807", r#"{"type":"number","minimum":0,"x-graph-type":"Double"}"#),
    ("DateTimeOffset", "", r#"{"type":"string","format":"date-time","x-graph-type":"DateTimeOffset"}"#),
    ("Date", "", r#"{"type":"string","format":"date","x-graph-type":"Date"}"#),
    ("TimeOfDay", "", r#"{"type":"string","pattern":"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,12})?)?$","x-graph-type":"TimeOfDay"}"#),
    ("Duration", "", r#"{"type":"string","pattern":"^-?P([0-9]+D(T([0-9]+H([0-9]+M)?([0-9]+(\\.[0-9]{1,12})?S)?|[0-9]+M([0-9]+(\\.[0-9]{1,12})?S)?|[0-9]+(\\.[0-9]{1,12})?S))?|T([0-9]+H([0-9]+M)?([0-9]+(\\.[0-9]{1,12})?S)?|[0-9]+M([0-9]+(\\.[0-9]{1,12})?S)?|[0-9]+(\\.[0-9]{1,12})?S))$","x-graph-type":"Duration"}"#),
    ("Guid", "Null if there is none.", r#"{"type":["string","null"],"format":"uuid","x-graph-type":"Guid"}"#),
    ("Binary", "", r#"{"type":"string","pattern":"^[A-Za-z0-9+/_-]*={0,2}$","maxLength":262144,"x-ours":["maxLength"],"x-graph-type":"Binary"}"#),
    ("Guid collection", "", r#"{"type":"array","items":{"type":"string","format":"uuid"},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"Guid collection"}"#),
    ("Collection(Int32)", "", r#"{"type":"array","items":{"type":"integer","minimum":-2147483648,"maximum":2147483647},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"Int32 collection"}"#),
    ("[toyPart](p.md) collection", "Possible values are: `arm`, `leg`.", r#"{"type":"array","items":{"type":"string","enum":["arm","Arm","leg","Leg"],"x-canonical":{"Arm":"arm","Leg":"leg"}},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"microsoft.graph.toys.toyPart collection"}"#),
    ("String collection", "Must be `owner` or empty. Guests have `guest`.", r#"{"type":"array","items":{"type":"string","enum":["owner","Owner"],"x-canonical":{"Owner":"owner"}},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"String collection"}"#),
    (
        "String collection",
        "Words, or null for none.",
        r#"{"type":["array","null"],"items":{"type":"string","maxLength":256,"x-ours":["maxLength"]},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"String collection"}"#,
    ),
];
