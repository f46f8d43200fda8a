//! Every field that is read from outside, with hostile values: configuration, debconf's answers, os-release, the
//! receipt, HTTP answers, lines of Prosody's log. No panic, no hang, nothing executed, no control character shown raw.

use serde_json::Value;

use crate::bed::{DOMAIN, HOST_FILE, says};
use crate::broken_servers::Front;
use crate::hostile_subject::{CANARY, Form, Subject, hostile_values, some};

/// Replaces what is between two marks.
fn between(file: &[u8], before: &str, behind: &str, value: &[u8]) -> Vec<u8> {
    let find = |bytes: &[u8], mark: &str| bytes.windows(mark.len()).position(|window| window == mark.as_bytes());
    let start = find(file, before).unwrap_or_else(|| panic!("no {before}")) + before.len();
    let end = start + find(&file[start..], behind).unwrap_or_else(|| panic!("no {behind}"));
    [&file[..start], value, &file[end..]].concat()
}

/// A Lua string with exactly these bytes.
fn lua(value: &[u8]) -> Vec<u8> {
    value.iter().flat_map(|byte| format!("\\{byte:03}").into_bytes()).collect()
}

fn configuration(every: usize) {
    let subject = Subject::new();
    let forms: [Form; 7] = [
        |file, value| between(file, "app_id=\"", "\"", &lua(value)),
        |file, value| between(file, "app_id=\"", "\"", value),
        |file, value| between(file, "app_secret=\"", "\"", &lua(value)),
        |file, value| between(file, "VirtualHost \"", "\"", &lua(value)),
        |file, value| between(file, "Component \"", "\"", value),
        |file, value| [file, b"\nInclude \"", &lua(value), b"\"\n"].concat(),
        |file, value| [b"plugin_paths = { \"", &lua(value)[..], b"\" }\n", file].concat(),
    ];
    let commands: [&[&str]; 2] = [&["status"], &["install", "--dry-run"]];
    for (number, form) in forms.into_iter().enumerate() {
        subject.in_file(HOST_FILE, &some(every, number), &[form], &commands[..=number % 2]);
    }
    subject.assert_intact();
}

fn debconf_and_os_release(every: usize) {
    let subject = Subject::new();
    let commands: [&[&str]; 1] = [&["install", "--dry-run"]];
    let id: Form = |file, value| {
        between(file, "Name: jitsi-meet-tokens/appid\nTemplate: jitsi-meet-tokens/appid\nValue: ", "\n", value)
    };
    let secret: Form = |file, value| {
        between(file, "Name: jitsi-meet-tokens/appsecret\nTemplate: jitsi-meet-tokens/appsecret\nValue: ", "\n", value)
    };
    let domain: Form = |file, value| {
        between(
            file,
            "Name: jitsi-meet-prosody/jvb-hostname\nTemplate: jitsi-meet-prosody/jvb-hostname\nValue: ",
            "\n",
            value,
        )
    };
    // Without an app ID and secret in the configuration, debconf's are used.
    let host = subject.read(HOST_FILE);
    subject.machine.sh(&format!("sed -i -E '/^ *app_(id|secret)=/d' {HOST_FILE}"));
    subject.in_file("/var/cache/debconf/config.dat", &some(every, 1), &[id, domain], &commands);
    subject.in_file("/var/cache/debconf/passwords.dat", &some(every, 2), &[secret], &commands);
    subject.write(HOST_FILE, host);
    let fields: [Form; 3] = [
        |file, value| between(file, "PRETTY_NAME=\"", "\"", value),
        |file, value| between(file, "VERSION_ID=\"", "\"", value),
        |file, value| between(file, "\nID=", "\n", value),
    ];
    subject.in_file("/usr/lib/os-release", &some(every, 3), &fields, &[&["status"]]);
    subject.assert_intact();
}

/// The strings of a document.
fn strings<'a>(value: &'a mut Value, found: &mut Vec<&'a mut String>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(all) => all.iter_mut().for_each(|value| strings(value, found)),
        Value::Object(all) => all.values_mut().for_each(|value| strings(value, found)),
        _ => {}
    }
}

fn receipt(every: usize) {
    let subject = Subject::new();
    let path = "/var/lib/jitsi-tokens-setup/receipt.json";
    let before = subject.read(path);
    for (number, value) in some(every, 0).into_iter().enumerate() {
        for field in 0..4 {
            let mut document: Value = serde_json::from_slice(&before).expect("JSON");
            let mut all = Vec::new();
            strings(&mut document, &mut all);
            let count = all.len();
            assert!(count > 20, "{count} strings in a receipt");
            *all[(number * 4 + field) * 7 % count] = String::from_utf8_lossy(&value).into_owned();
            subject.write(path, serde_json::to_vec(&document).expect("JSON"));
            subject.survives(&["uninstall", "--dry-run"], &value);
        }
        subject.write(path, &value);
        subject.survives(&["uninstall", "--dry-run"], &value);
    }
    subject.write(path, before);
    subject.assert_intact();
}

/// Answers of a server that contain a value.
const ANSWERS: [Form; 4] = [
    |_, value| value.to_vec(),
    |_, value| [b"HTTP/1.1 ", value, b"\r\nContent-Length: 0\r\n\r\n"].concat(),
    |_, value| page("<body xmlns='http://jabber.org/protocol/httpbind' sid='", value, "'/>"),
    |_, value| {
        let escaped: String = String::from_utf8_lossy(value).chars().map(|c| format!("&#{};", u32::from(c))).collect();
        page(
            "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams' sid='1'><stream:features>\
             <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>\
             <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-allowed/><text>",
            escaped.as_bytes(),
            "</text></failure></body>",
        )
    },
];

fn page(before: &str, value: &[u8], behind: &str) -> Vec<u8> {
    let body = [before.as_bytes(), value, behind.as_bytes()].concat();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

fn answers(every: usize) {
    let subject = Subject::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("answer");
    std::fs::write(&file, "").expect("a file");
    let _server = Front::start(&subject.machine, &["8088", "says", &file.display().to_string()]);
    for (number, form) in ANSWERS.iter().enumerate() {
        for value in some(every, number) {
            std::fs::write(&file, form(b"", &value)).expect("a file");
            let args = ["verify", "--transport", "bosh", "--url", "http://127.0.0.1:8088"];
            let run = subject.survives(&args, &value);
            assert_ne!(run.code, 0, "such a server proves nothing");
        }
    }
    subject.assert_intact();
}

fn log_lines() {
    let subject = Subject::new();
    let lines: Vec<u8> = hostile_values()
        .iter()
        .flat_map(|value| {
            [
                b"Nov 27 12:00:00 modulemanager\terror\tError initializing module 'auth_token' on ",
                DOMAIN.as_bytes(),
                b": ",
                value,
                b"\n",
            ]
            .concat()
        })
        .collect();
    subject.write("/root/lines", lines);
    // Prosody's own start is slow enough for another writer to get in between.
    subject.machine.sh(&format!(
        "mkdir -p /etc/systemd/system/prosody.service.d; printf '[Service]\\nExecStartPre=+/bin/sh -c \"cat /root/lines >> /var/log/prosody/prosody.log; cat /root/lines >> /var/log/prosody/prosody.err\"\\n' > /etc/systemd/system/prosody.service.d/lines.conf
         systemctl daemon-reload; touch {HOST_FILE}; chmod 640 {HOST_FILE}"
    ));
    let run = subject.survives(&["install", "--yes"], b"log lines");
    assert!(!subject.file(CANARY).exists(), "a value was executed");
    assert!(run.all().contains("auth_token"), "the lines were read: {}", run.all());
    subject.machine.sh("rm -r /etc/systemd/system/prosody.service.d; systemctl daemon-reload; truncate -s 0 /var/log/prosody/prosody.log /var/log/prosody/prosody.err");
    says(&subject.machine.tool(&["install", "--yes"]), 0, &[]);
    subject.assert_intact();
}

#[test]
fn in_the_configuration() {
    configuration(20);
}

#[test]
fn in_debconf_and_os_release() {
    debconf_and_os_release(20);
}

#[test]
fn in_the_receipt() {
    receipt(40);
}

#[test]
fn in_the_answers_of_a_server() {
    answers(20);
}

#[test]
fn in_prosodys_log() {
    log_lines();
}

mod thorough {
    use super::*;

    #[test]
    fn every_value_in_the_configuration() {
        configuration(1);
    }

    #[test]
    fn every_value_in_debconf_and_os_release() {
        debconf_and_os_release(1);
    }

    #[test]
    fn every_value_in_the_receipt() {
        receipt(1);
    }

    #[test]
    fn every_value_in_the_answers_of_a_server() {
        answers(1);
    }
}
