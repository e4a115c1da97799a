//! One row for each clause of the language: a statement with one part that changes, written `«before→after»`.

/// Where a row's statement stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// At the top of the file.
    Top,
    /// At the top; the text is a statement of the service `s` that uses what is declared.
    Used(&'static str),
    /// At the top; the text is a line of a test that uses what is declared.
    Given(&'static str),
    /// At the top: the head of a block; the text is the block.
    Head(&'static str),
    /// In the service `s`.
    Service,
    /// In the guard `g`.
    Guard,
    /// In a test, before an expectation.
    Test,
    /// In a proof.
    Prove,
}

use Place::{Given, Guard, Head, Prove, Service, Test, Top, Used};

/// Rows, by the order of the grammar.
pub(super) const ROWS: &[(Place, &str)] = &[
    (Top, "import \"«a→b».gate\";"),
    (Top, "methods «PURGE→BAN»;"),
    (Top, "methods BAN«→, PURGE»;"),
    // issuers
    (Top, "issuer «x→y» { url \"https://x.example/\"; }"),
    (Top, "issuer x { url \"https://«x→y».example/\"; }"),
    (Top, "issuer x { url like \"https://x/«a→b»/*\"; }"),
    (Top, "issuer x { url \"https://x/\"; from query \"«t→u»\"; }"),
    (
        Top,
        "issuer x { url \"https://x/\"; algorithms HS256; secret «hook→salt»; }",
    ),
    (Top, "issuer x { url \"https://x/\"; audience \"«a→b»\"; }"),
    (Top, "issuer x { url \"https://x/\"; algorithms «ES256→EdDSA»; }"),
    (
        Top,
        "issuer x { url \"https://x/\"; keys \"«corp→other».jwks.json\"; }",
    ),
    (Top, "issuer x { url \"https://x/\"; leeway «30→31»s; }"),
    (Top, "issuer x { url \"https://x/\"; «→from header \"x-t\";» }"),
    (Top, "issuer x { url \"https://x/\"; from header \"x-«t→u»\"; }"),
    (Top, "issuer x { url \"https://x/\"; from cookie \"«t→u»\"; }"),
    (Top, "issuer x { url \"https://x/\"; «→verified by gateway;» }"),
    (Top, "issuer x { url \"https://x/\"; scopes from «scope→scp»; }"),
    (Top, "issuer x { url \"https://x/\"; scopes from a.«scope→scp»; }"),
    (
        Top,
        "issuer x { url \"https://x/\"; scope \"«v→w»\" implies \"r\"; }",
    ),
    (
        Top,
        "issuer x { url \"https://x/\"; scope \"w\" implies \"«q→r»\"; }",
    ),
    (Top, "issuer x { url \"https://x/\"; claims { «a→b»: string; } }"),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: «string→int»; } }",
    ),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: set«→ or string»; } }",
    ),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: string = \"«a→b»\"; } }",
    ),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: bool = «true→false»; } }",
    ),
    (Top, "issuer x { url \"https://x/\"; claims { a: int = «1→2»; } }"),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: set = [«→\"a\"»]; } }",
    ),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: string from p.«slow→fast»; } }",
    ),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: set separated by \"«,→;»\"; } }",
    ),
    (
        Top,
        "issuer x { url \"https://x/\"; claims { a: int from «b→c» = 1; } }",
    ),
    (Top, "issuer x { url \"https://x/\"; type \"«at→jt»+jwt\"; }"),
    (Top, "issuer x { url \"https://x/\"; max age «1→2»h; }"),
    (Top, "issuer x { url \"https://x/\"; «→bound to certificate;» }"),
    (Top, "issuer x { url \"https://x/\"; «→opaque;» }"),
    (Top, "issuer x { url \"https://x/\"; «→no expiry;» }"),
    (
        Top,
        "issuer x { url \"https://x/\"; from header \"x-t\"; «→beside;» }",
    ),
    (Service, "allow customer to GET /a with scope like \"«a→b».*\";"),
    // keys, peers, signatures, secrets
    (Top, "keys «k→l» { header \"x-k\"; }"),
    (Top, "keys k { header \"x-«a→b»\"; }"),
    (Top, "keys k { cookie \"«a→b»\"; }"),
    (
        Top,
        "keys k { header \"x-k\"; file \"«partners→other».keys\"; secret hook; }",
    ),
    (
        Top,
        "keys k { header \"x-k\"; file \"partners.keys\"; secret «hook→salt»; }",
    ),
    (Top, "keys k { header \"x-k\"; fields { p: int«→ = 1»; } }"),
    (Top, "peers «p→q» { trust \"a.example\"; }"),
    (Top, "peers p { trust \"«a→b».example\"; }"),
    (
        Top,
        "signature «x→y» { header \"x-s\"; hmac sha256 hex; over body; secret hook; }",
    ),
    (
        Top,
        "signature x { header \"x-«s→t»\"; hmac sha256 hex; over body; secret hook; }",
    ),
    (
        Top,
        "signature x { header \"x-s\"; hmac sha256 «hex→base64»; over body; secret hook; }",
    ),
    (
        Top,
        "signature x { header \"x-s\"; hmac sha256 hex prefix \"«a→b»\"; over body; secret hook; }",
    ),
    (
        Top,
        "signature x { header \"x-s\"; hmac sha256 hex; over body; secret «hook→salt»; }",
    ),
    (
        Top,
        "signature x { header \"x-s\"; hmac sha256 hex; over timestamp \".\" body; secret hook; timestamp header \"x-«t→u»\" within 5m; }",
    ),
    (
        Top,
        "signature x { header \"x-s\"; hmac sha256 hex; over timestamp \".\" body; secret hook; timestamp header \"x-t\" within «5→6»m; }",
    ),
    (
        Top,
        "signature x { header \"x-s\"; hmac sha256 hex; over \"«a→b»\" body; secret hook; }",
    ),
    (
        Top,
        "signature x { header \"x-s\"; hmac sha256 hex; over «timestamp body→body timestamp»; secret hook; timestamp header \"x-t\" within 5m; }",
    ),
    (Top, "secret «m→n» from file \"hook.secret\";"),
    (Top, "secret n from file \"«hook→other».secret\";"),
    (Top, "redaction key «hook→salt»;"),
    (Service, "resource metadata \"https://«a→b».example/\";"),
    // trust, context
    (Top, "trust { proxies 10.0.0.0/«8→9»; }"),
    (Top, "trust { proxies 10.0.0.0/8 hops «1→2»; }"),
    (
        Top,
        "trust { proxies 10.0.0.0/8; header \"x-«a→b»\" as geo.country: string; }",
    ),
    (
        Top,
        "trust { proxies 10.0.0.0/8; header \"x-a\" as geo.«country→region»: string; }",
    ),
    (
        Top,
        "trust { proxies 10.0.0.0/8; header \"x-a\" as geo.country: «string→int»; }",
    ),
    (
        Top,
        "trust { proxies 10.0.0.0/8; header \"x-a\" as geo.groups: set separated by \"«,→;»\"; }",
    ),
    (Top, "context { c: instant = 202«6→7»-01-01T00:00:00Z; }"),
    (Top, "context { c: int from a.«b→c»; }"),
    (Top, "context { c: set«→ separated by \",\"»; }"),
    (Top, "keys k { header \"x-k\"; fields { p: int from «a→b»; } }"),
    (
        Top,
        "keys k { header \"x-k\"; fields { p: set separated by \"«,→;»\"; } }",
    ),
    // data
    (Top, "network «n→m» = 10.0.0.0/8;"),
    (Top, "network n = 10.0.0.0/«8→9»;"),
    (Top, "hours «h→i» = mon 08:00..18:00 in \"Europe/Berlin\";"),
    (Top, "hours h = «mon→tue» 08:00..18:00 in \"Europe/Berlin\";"),
    (Top, "hours h = mon«→..fri» 08:00..18:00 in \"Europe/Berlin\";"),
    (Top, "hours h = mon 0«8→9»:00..18:00 in \"Europe/Berlin\";"),
    (Top, "hours h = mon 08:00..18:00 in \"Europe/«Berlin→Paris»\";"),
    (Top, "list «l→m»: string from \"numbers.txt\";"),
    (Top, "list l: «string→int» from \"numbers.txt\";"),
    (Top, "list l: «ip→network» from \"addresses.txt\";"),
    (Top, "list l: string from \"«numbers→others».txt\";"),
    (Top, "list l: string from \"numbers.txt\" max age «1→2»h;"),
    (Top, "table «t→u» from \"plans.json\" { rpm: int; }"),
    (Top, "table t from \"«plans→others».json\" { rpm: int; }"),
    (Top, "table t from \"plans.json\" max age «1→2»h { rpm: int; }"),
    (Top, "table t from \"plans.json\" { «rpm→rph»: int; }"),
    // names for conditions and targets
    (
        Used("allow w to GET /u;"),
        "principal w = token from «corp→other»;",
    ),
    (
        Used("allow «w→v» to GET /u;"),
        "principal «w→v» = token from «corp→other»;",
    ),
    (
        Used("deny anyone to any /u when «w→v»;"),
        "condition «w→v» = context.risk > «1→2»;",
    ),
    (
        Used("deny anyone to any /u when w;"),
        "condition w = context.risk > «1→2»;",
    ),
    (Used("allow anyone to w«→v»;"), "routes w«→v» = GET /a«→b»;"),
    (Used("allow anyone to GET w;"), "routes w = /«a→b»;"),
    // quotas
    (Top, "quota «n→m» = 5 per 1m by client.ip;"),
    (Top, "quota n = «5→6» per 1m by client.ip;"),
    (Top, "quota n = 5 per «1→2»m by client.ip;"),
    (Top, "quota n = 5 per 1m burst «7→8» by client.ip;"),
    (Top, "quota n = 5 per 1m by «client→connection».ip;"),
    (Top, "quota n = 5 per 1m by client.ip/«48→56»;"),
    (Top, "quota n = 5 per 1m by token.sub«→ else client.ip»;"),
    (Top, "quota n = 5 per 1m by token.sub«→, client.ip»;"),
    (Top, "quota n = 5 per «1m→calendar day in \"UTC\"» by client.ip;"),
    (
        Top,
        "quota n = 5 per calendar «day→week» in \"UTC\" by client.ip;",
    ),
    (
        Top,
        "quota n = 5 per calendar month in \"«UTC→Europe/Berlin»\" by client.ip;",
    ),
    (Top, "quota n = at most «5→6» in flight by client.ip;"),
    (
        Top,
        "quota n = «context.risk→plans[token.sub].rpm» at most 9 per 1m by client.ip;",
    ),
    (Top, "quota n = context.risk at most «9→8» per 1m by client.ip;"),
    (
        Top,
        "quota n = plans[«token.sub→key.id»].rpm at most 9 per 1m by client.ip;",
    ),
    (Top, "quota n = 5 per 1m by client.ip cost «2→3»;"),
    (Top, "quota n = 5 per 1m by client.ip«→ shared»;"),
    (
        Top,
        "quota n = 5 per 1m by client.ip shared on store failure «allow→local»;",
    ),
    (Top, "quota n = 5 per 1m by client.ip«→ counting denied»;"),
    // blocks
    (Head("{ deny anyone to any /u; }"), "guard «h→i»"),
    (
        Head("{ deny anyone to any /u; }"),
        "service «o→p» on \"o.example\"",
    ),
    (
        Head("{ deny anyone to any /u; }"),
        "service o on \"«*→{t}».example\"",
    ),
    (
        Head("{ deny anyone to any /u; }"),
        "service o on \"«o→p».example\"",
    ),
    (
        Head("{ deny anyone to any /u; }"),
        "service o on \"o.example\" under /«x→y»",
    ),
    (
        Head("{ deny anyone to any /u; }"),
        "service o on \"o.example\" under \"/«x→y»\"",
    ),
    (
        Head("{ expect deny GET \"https://o.example/\"; }"),
        "test \"«x→y»\"",
    ),
    (Head("{ never allow any /u; }"), "prove \"«x→y»\""),
    // rules
    (Service, "«→report» deny anyone to any /u;"),
    (Service, "«allow→deny» anyone to GET /u;"),
    (Service, "«deny anyone to any /u;→on any /u { tag \"t\"; }»"),
    (Service, "allow «customer→staff» to GET /u;"),
    (Service, "allow customer«→ or staff» to GET /u;"),
    (Service, "allow customer to GET /u with scope \"«a→b»\";"),
    (Service, "allow customer to GET /u with acr \"«a→b»\";"),
    (Service, "allow customer to GET /u with max age «1→2»m;"),
    (Service, "allow customer to GET /u when context.risk > «1→2»;"),
    (Service, "allow customer to GET /u unless context.risk > «1→2»;"),
    (Service, "deny anyone to any /u because \"«a→b»\";"),
    (Service, "deny anyone to any /u respond «451→452»;"),
    (Service, "deny anyone to any /u respond 503 retry after «1→2»m;"),
    (Service, "deny anyone to any /u respond 308 to \"/«a→b»\";"),
    (Service, "deny anyone to any /u as «a→b»;"),
    (Guard, "deny anyone to any /«u→v»;"),
    (Service, "allow customer to GET /u { tag \"«a→b»\"; }"),
    (Guard, "on any /«u→v» { tag \"a\"; }"),
    (Guard, "on any /u when context.risk > «1→2» { tag \"a\"; }"),
    // targets
    (Service, "allow anyone to «GET→PUT» /u;"),
    (Service, "allow anyone to GET«→|PUT» /u;"),
    (Service, "allow anyone to GET /u«→, PUT /v»;"),
    (Service, "allow anyone to GET \"/«u→v»\";"),
    (Service, "allow anyone to GET /u/{«a→b»};"),
    (Service, "allow anyone to GET «/u→lots»;"),
    (Service, "allow anyone to «GET /u→named»;"),
    (Service, "allow anyone to websocket /«u→v»;"),
    (Service, "allow anyone to grpc a.B/«C→D»;"),
    (Service, "allow anyone to «OPTIONS→CONNECT» *;"),
    // conditions
    (
        Service,
        "deny anyone to any /u when context.flag«→ or context.risk > 1»;",
    ),
    (
        Service,
        "deny anyone to any /u when context.flag«→ and context.risk > 1»;",
    ),
    (Service, "deny anyone to any /u when «→not» context.flag;"),
    (
        Service,
        "deny anyone to any /u when (context.flag or context.risk > «1→2») and calm;",
    ),
    (Service, "deny anyone to any /u when exists token.«sub→jti»;"),
    (
        Service,
        "deny anyone to any /u when «exists token→signed by hub»;",
    ),
    (Service, "deny anyone to any /u when signed by «hub→lab»;"),
    (Service, "deny anyone to any /u when token from «corp→other»;"),
    (
        Service,
        "deny anyone to any /u when «token→key» from «corp→partners»;",
    ),
    (Service, "deny anyone to any /u when \"«a→b»\" in token.scope;"),
    (Service, "deny anyone to any /u when \"a\" in token.«scope→amr»;"),
    (Service, "deny anyone to any /u when «1→2» < context.risk;"),
    (Service, "deny anyone to any /u when 1 «<→>» context.risk;"),
    (Service, "deny anyone to any /u when context.risk «<→>» 1;"),
    (
        Service,
        "deny anyone to any /u when token.sub == \"a\"«→ ignore case»;",
    ),
    (
        Service,
        "deny anyone to any /u when token.sub == «\"a\"→token.iss»;",
    ),
    (
        Service,
        "deny anyone to any /u when request.header[\"x-«a→b»\"] == \"a\";",
    ),
    (
        Service,
        "deny anyone to any /u when token.sub in «10→11»% of \"a\";",
    ),
    (
        Service,
        "deny anyone to any /u when token.sub in 10% of \"«a→b»\";",
    ),
    (
        Service,
        "deny anyone to any /u when token.sub in [\"a\"«→, \"b\"»];",
    ),
    (Service, "deny anyone to any /u when token.sub in «banned→spent»;"),
    (
        Service,
        "deny anyone to any /u when token.amr has «any→all» [\"a\"];",
    ),
    (
        Service,
        "deny anyone to any /u when token.amr has any [\"«a→b»\"];",
    ),
    (Service, "deny anyone to any /u when token.sub like \"«a→b»*\";"),
    (Service, "deny anyone to any /u when token.sub matches '«a→b»+';"),
    // bodies
    (Service, "on any /u { limit «slow→fast»; }"),
    (Service, "on any /u { limit slow cost «2→3»; }"),
    (Service, "on any /u { limit «slow→5 per 1m by client.ip»; }"),
    (Service, "on any /u { redact response { drop «a→b»; } }"),
    (
        Service,
        "on any /u { redact response { replace «a→b» with \"x\"; } }",
    ),
    (
        Service,
        "on any /u { redact response { replace a with \"«x→y»\"; } }",
    ),
    (Service, "on any /u { redact response { hash «a→b»; } }"),
    (Service, "on any /u { redact response { mask «a→b»; } }"),
    (
        Service,
        "on any /u { redact response { mask a keep «first→last» 4; } }",
    ),
    (
        Service,
        "on any /u { redact response { mask a keep first «4→5»; } }",
    ),
    (Service, "on any /u { redact response { truncate «a→b» to 4; } }"),
    (Service, "on any /u { redact response { truncate a to «4→5»; } }"),
    (Service, "on any /u { redact response { only { a«→, b» } } }"),
    (Service, "on any /u { accept «query→form» { a: string; } }"),
    (Service, "on any /u { accept body max «16→17»KiB { a: string; } }"),
    (Service, "on any /u { accept body depth «8→9» { a: string; } }"),
    (
        Service,
        "on any /u { accept body «→strip unknown» { a: string; } }",
    ),
    (Service, "on any /u { accept body { «a→b»: string; } }"),
    (Service, "on any /u { accept body { a«→?»: string; } }"),
    (Service, "on any /u { accept body { a: «bool→any»; } }"),
    (Service, "on any /u { accept body { a: string«→ or null»; } }"),
    (Service, "on any /u { accept body { a: int «1→2»..3; } }"),
    (Service, "on any /u { accept body { a: number min «0.5→1.5»; } }"),
    (Service, "on any /u { accept body { a: string max «5→6»; } }"),
    (
        Service,
        "on any /u { accept body { a: string in [\"a\"«→, \"b\"»]; } }",
    ),
    (
        Service,
        "on any /u { accept body { a: string matches '«a→b»+'; } }",
    ),
    (Service, "on any /u { accept body { a[]: int items 0..«5→6»; } }"),
    (Service, "on any /u { accept query { a«→[]»: int; } }"),
    (
        Service,
        "on any /u { accept form { a[]: int separated by \"«,→;»\"; } }",
    ),
    (
        Service,
        "on any /u { accept query { a[]: int«→ separated by \",\"»; } }",
    ),
    (Service, "on any /u { accept body { a: object keys «5→6»; } }"),
    (Service, "on any /u { tag \"a\"; «→accept type \"image/png\";» }"),
    (Service, "on any /u { accept type \"image/«png→gif»\"; }"),
    (Service, "on any /u { accept type \"image/png\" max «1→2»MiB; }"),
    (
        Service,
        "on any /u { require response { owner == «token.sub→\"a\"»; } else 404; }",
    ),
    (
        Service,
        "on any /u { require response { «owner→holder» == token.sub; } else 404; }",
    ),
    (
        Service,
        "on any /u { require response { owner == token.sub; } else 40«4→3»; }",
    ),
    (Service, "on any /u { set «→request» header \"x-a\" \"a\"; }"),
    (Service, "on any /u { set header \"x-«a→b»\" \"a\"; }"),
    (Service, "on any /u { set header \"x-a\" \"«a→b»\"; }"),
    (Service, "on any /u { set header \"x-a\" «\"a\"→token.sub»; }"),
    (Service, "on any /u { drop «→request» header \"x-a\"; }"),
    (Service, "on any /u { drop header \"x-«a→b»\"; }"),
    (
        Service,
        "on any /u { «set header \"x-a\" \"a\"→drop header \"x-a\"»; }",
    ),
    (Service, "on any /u { tag \"«a→b»\"; }"),
    (Service, "on any /u { tag \"a\"; «→public;» }"),
    (Service, "on any /u { tag \"a\"; «→deprecated;» }"),
    (Service, "on any /u { sunset 202«6→7»-01-01T00:00:00Z; }"),
    (Service, "on any /u { tag \"a\"; «→require tls;» }"),
    (Service, "on any /u { tag \"a\"; «→require sni == host;» }"),
    // statements of services and guards
    (Service, "«→public;»"),
    (Service, "«→deprecated;»"),
    (Service, "sunset 202«6→7»-01-01T00:00:00Z;"),
    (Service, "«→require tls;»"),
    (Guard, "«→require sni == host;»"),
    (Service, "default limit «slow→fast»;"),
    (Service, "default limit slow cost «2→3»;"),
    (Service, "openapi \"«a→b».openapi.json\";"),
    (Service, "cors { origins \"https://«a→b».example\"; }"),
    (
        Service,
        "cors { origins \"https://a.example\"; methods «GET→PUT»; }",
    ),
    (
        Service,
        "cors { origins \"https://a.example\"; headers \"x-«a→b»\"; }",
    ),
    (Service, "cors { origins \"https://a.example\"; «→credentials;» }"),
    (Service, "cors { origins \"https://a.example\"; max age «1→2»m; }"),
    (
        Service,
        "block by «client→connection».ip for 15m when denied more than 50 per 1m;",
    ),
    (
        Service,
        "block by client.ip for «15→16»m when denied more than 50 per 1m;",
    ),
    (
        Service,
        "block by client.ip for 15m when «denied→answered 401» more than 50 per 1m;",
    ),
    (
        Service,
        "block by client.ip for 15m when answered 40«1→3» more than 50 per 1m;",
    ),
    (
        Service,
        "block by client.ip for 15m when denied more than «50→51» per 1m;",
    ),
    (
        Guard,
        "block by client.ip for 15m when denied more than 50 per «1→2»m;",
    ),
    (Service, "«→invalid credentials anonymous;»"),
    (Service, "«→trailing slash ignored;»"),
    (Service, "«→merge slashes;»"),
    (Service, "«→encoded slash as data;»"),
    (Service, "encoded «slash→backslash» as data;"),
    (Service, "«→path parameters kept;»"),
    (Service, "«→method override kept;»"),
    // personas, tests, proofs
    (
        Given("given w;"),
        "persona w = token from «corp→other» { sub \"u1\"; };",
    ),
    (
        Given("given w;"),
        "persona w = token from corp { «sub→acr» \"u1\"; };",
    ),
    (
        Given("given w;"),
        "persona w = token from corp { sub \"u«1→2»\"; };",
    ),
    (
        Given("given w;"),
        "persona w = «token from corp { jti→key from partners { id» \"1\"; };",
    ),
    (
        Given("given «w→v»;"),
        "persona «w→v» = token from corp { sub \"«1→2»\"; };",
    ),
    (Test, "given «alice→bob»;"),
    (Test, "given context { risk «1→2»; };"),
    (Test, "given client.ip \"192.0.2.«7→8»\";"),
    (Test, "given now 202«6→7»-01-01T00:00:00Z;"),
    (Test, "given header \"x-«a→b»\" \"c\";"),
    (Test, "given header \"x-a\" \"«c→d»\";"),
    (Test, "given body \"«a→b»\";"),
    (Test, "given peer mesh { «subject→spiffe» \"a\"; };"),
    (Test, "given «token from corp { sub→key partners { id» \"a\"; };"),
    (Test, "given token from «corp→other» { sub \"a\"; };"),
    (Test, "given token from corp { amr \"a\"«→, \"b\"»; };"),
    (Test, "expect «allow→deny» GET \"https://api.example.com/\";"),
    (Test, "expect deny 40«3→4» GET \"https://api.example.com/\";"),
    (
        Test,
        "expect deny «no_rule→no_route» GET \"https://api.example.com/\";",
    ),
    (Test, "expect deny «GET→PUT» \"https://api.example.com/\";"),
    (Test, "expect deny GET \"https://«api→app».example.com/\";"),
    (
        Test,
        "expect deny GET \"https://api.example.com/\"«→ by no_debug»;",
    ),
    (
        Test,
        "expect deny GET \"https://api.example.com/\" by s/«no_debug→no_trace»;",
    ),
    (
        Test,
        "expect deny GET \"https://api.example.com/\" by \"s/«no_debug→no_trace»\";",
    ),
    (
        Test,
        "expect allow GET \"https://api.example.com/\" with «drop→hash» a;",
    ),
    (Prove, "never allow any /«a→b»;"),
    (Prove, "never allow any /a«→ on s»;"),
    (Prove, "never allow any /a when context.risk > «1→2»;"),
    (Prove, "always allow any /«a→b» when context.risk > 1;"),
    (Prove, "always allow any /a«→ on s» when context.risk > 1;"),
    (Prove, "always allow any /a when context.risk > «1→2»;"),
    (Prove, "only «customer→staff» may any /a;"),
    (Prove, "only customer may any /«a→b»;"),
    (Prove, "only customer may any /a«→ on s»;"),
    (Prove, "always drop «a→b» on any /a;"),
    (Prove, "always drop a on any /«a→b»;"),
    (Prove, "always drop a on any /a«→ on s»;"),
    (Prove, "always drop a on any /a unless context.risk > «1→2»;"),
    (Prove, "always limit any /«a→b»;"),
    (Prove, "always limit any /a«→ on s»;"),
];
