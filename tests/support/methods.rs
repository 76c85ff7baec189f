//! How the npm package says each command of streams: by which methods, and how their options are called.
//!
//! `tests/compatibility.rs` compares this with the command table, and makes a table of it; the package's own
//! `methods.test.mjs` reads that table and compares it with what the methods send.

/// A command in the npm package.
pub(crate) struct Said {
    pub(crate) command: &'static str,
    /// None where only `db.call` says it.
    pub(crate) methods: &'static [&'static str],
    /// Options and arguments of the methods, each with the words that it may say.
    pub(crate) options: &'static [(&'static str, &'static [&'static str])],
    /// Words that the methods say without being asked.
    pub(crate) unasked: &'static [&'static str],
    /// Words that only `db.call` says.
    pub(crate) by_call: &'static [&'static str],
}

const NOTHING: Said = Said { command: "", methods: &[], options: &[], unasked: &[], by_call: &[] };
const REFERENCES: (&str, &[&str]) = ("refs", &["KEEPREF", "DELREF", "ACKED"]);

/// In the order of the command table.
pub(crate) const SAID: &[Said] = &[
    Said { command: "xack", methods: &["group.ack", "message.ack"], ..NOTHING },
    Said { command: "xackdel", methods: &["group.ackDelete"], options: &[REFERENCES], unasked: &["IDS"], ..NOTHING },
    Said {
        command: "xadd",
        methods: &["stream.add", "stream.addMany", "stream.writable"],
        options: &[
            ("id", &[]),
            ("noMkStream", &["NOMKSTREAM"]),
            REFERENCES,
            ("idempotent", &["IDMPAUTO", "IDMP"]),
            ("maxLen", &["MAXLEN"]),
            ("minId", &["MINID"]),
            ("approx", &["~"]),
            ("limit", &["LIMIT"]),
        ],
        unasked: &["="],
        ..NOTHING
    },
    Said { command: "xaddif", methods: &["stream.add"], options: &[("ifLastId", &[]), ("id", &[])], ..NOTHING },
    Said {
        command: "xautoclaim",
        methods: &["group.autoClaim"],
        options: &[("start", &[]), ("count", &["COUNT"]), ("justId", &["JUSTID"])],
        ..NOTHING
    },
    Said {
        command: "xcfgset",
        methods: &["stream.configure"],
        options: &[("idempotentSeconds", &["IDMP-DURATION"]), ("idempotentEntriesMax", &["IDMP-MAXSIZE"])],
        ..NOTHING
    },
    Said {
        command: "xclaim",
        methods: &["group.claim"],
        options: &[
            ("idle", &["IDLE"]),
            ("time", &["TIME"]),
            ("retryCount", &["RETRYCOUNT"]),
            ("force", &["FORCE"]),
            ("justId", &["JUSTID"]),
            ("lastId", &["LASTID"]),
        ],
        ..NOTHING
    },
    Said { command: "xdel", methods: &["stream.delete"], ..NOTHING },
    Said { command: "xdelex", methods: &["stream.delete"], options: &[REFERENCES], unasked: &["IDS"], ..NOTHING },
    Said {
        command: "xgroup|create",
        methods: &["stream.group"],
        options: &[("from", &["$"]), ("mkStream", &["MKSTREAM"]), ("entriesRead", &["ENTRIESREAD"])],
        ..NOTHING
    },
    Said { command: "xgroup|createconsumer", methods: &["group.createConsumer"], ..NOTHING },
    Said { command: "xgroup|delconsumer", methods: &["group.deleteConsumer"], ..NOTHING },
    Said { command: "xgroup|destroy", methods: &["group.destroy", "stream.destroyGroup"], ..NOTHING },
    Said { command: "xgroup|help", ..NOTHING },
    Said {
        command: "xgroup|setid",
        methods: &["group.setId"],
        options: &[("id", &["$"]), ("entriesRead", &["ENTRIESREAD"])],
        ..NOTHING
    },
    Said { command: "xidmprecord", methods: &["stream.recordIdempotent"], ..NOTHING },
    Said { command: "xinfo|consumers", methods: &["group.consumers"], ..NOTHING },
    Said { command: "xinfo|groups", methods: &["stream.groups", "group.info"], ..NOTHING },
    Said { command: "xinfo|help", ..NOTHING },
    Said {
        command: "xinfo|stream",
        methods: &["stream.info", "db.inspect"],
        options: &[("full", &["FULL"]), ("count", &["COUNT"])],
        ..NOTHING
    },
    Said { command: "xlen", methods: &["stream.length"], ..NOTHING },
    Said {
        command: "xnack",
        methods: &["group.nack", "message.nack"],
        options: &[("mode", &["SILENT", "FAIL", "FATAL"]), ("retryCount", &["RETRYCOUNT"]), ("force", &["FORCE"])],
        unasked: &["IDS"],
        ..NOTHING
    },
    Said {
        command: "xpending",
        methods: &["group.pending"],
        options: &[("from", &[]), ("to", &[]), ("count", &[]), ("consumer", &[]), ("minIdle", &["IDLE"])],
        ..NOTHING
    },
    Said {
        command: "xrange",
        methods: &["stream.range"],
        options: &[("from", &["-", "("]), ("to", &["+"]), ("count", &["COUNT"])],
        ..NOTHING
    },
    Said {
        command: "xread",
        methods: &["stream.read", "stream.readable", "db.read"],
        options: &[("after", &["$", "+"]), ("count", &["COUNT"])],
        unasked: &["STREAMS", "BLOCK", "MAXSIZE"],
        by_call: &["MAXCOUNT"],
    },
    Said {
        command: "xreadgroup",
        methods: &["group.read", "group.readBatch"],
        options: &[
            ("count", &["COUNT"]),
            ("claimIdle", &["CLAIM"]),
            ("noAck", &["NOACK"]),
            ("block", &["BLOCK"]),
            ("after", &[]),
        ],
        unasked: &["GROUP", "STREAMS", "MAXSIZE", ">"],
        by_call: &["MAXCOUNT"],
    },
    Said {
        command: "xrevrange",
        methods: &["stream.range"],
        options: &[("reverse", &[]), ("from", &["-"]), ("to", &["+", "("]), ("count", &["COUNT"])],
        ..NOTHING
    },
    Said {
        command: "xsetid",
        methods: &["stream.setId"],
        options: &[("entriesAdded", &["ENTRIESADDED"]), ("maxDeletedId", &["MAXDELETEDID"])],
        ..NOTHING
    },
    Said {
        command: "xtrim",
        methods: &["stream.trim"],
        options: &[
            ("maxLen", &["MAXLEN"]),
            ("minId", &["MINID"]),
            ("approx", &["~"]),
            ("limit", &["LIMIT"]),
            REFERENCES,
        ],
        unasked: &["="],
        ..NOTHING
    },
];
