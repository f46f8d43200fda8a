//! Machines that look like something they are not: other Luas, modules that other users see and Prosody does not,
//! copies that hide the right one. Each is planted on a fresh machine, and each ends in logins that work as required.

use crate::bed::{HOST_FILE, Machine, Run, changes_in_words, steps_in};
use crate::tree::{differences, tree};

/// Debian 12 with a Jitsi that ships its own luajwtjitsi, and a stand-in for jicofo.
pub fn debian_12() -> Machine {
    fresh("bookworm-bundled")
}

/// A fresh machine of a profile where only jicofo opens rooms.
pub fn fresh(profile: &str) -> Machine {
    let machine = Machine::boot(profile);
    machine.jicofo_answers();
    machine
}

/// Installs, and insists that the machine is proved afterwards.
pub fn proved(machine: &Machine) -> Run {
    let install = machine.tool(&["install", "--yes", "--json"]);
    assert_eq!(install.code, 0, "{}", install.all());
    machine.assert_proved();
    let status = machine.tool(&["status"]);
    assert_eq!(status.code, 0, "{}", status.all());
    install
}

/// Restarts Prosody, and waits until it answers again.
const RESTART: &str = "systemctl restart prosody; until ss -ltn | grep -q ':5280 '; do sleep 0.1; done";

/// The reason that the report gives for a step.
pub fn why(run: &Run, step: &str) -> String {
    let report = run.json();
    let steps = report["steps"].as_array().cloned().unwrap_or_default();
    let found = steps.iter().find(|report| report["id"] == step);
    found.map_or_else(String::new, |step| step["reason"].to_string())
}

/// What a step would do and why, before anything is changed.
fn plan(machine: &Machine, step: &str) -> String {
    let status = machine.tool(&["status", "--json"]);
    assert_eq!(status.code, 3, "{}", status.all());
    assert!(steps_in(&status.json(), "pending").contains(&step.to_owned()), "{}", status.all());
    why(&status, step)
}

#[test]
fn other_lua_versions_are_installed() {
    let machine = fresh("trixie-bundled");
    machine.sh(
        "apt-get install -qq -y lua5.1 luajit lua5.3 && update-alternatives --set lua-interpreter /usr/bin/lua5.1 && \
         lua -v 2>&1 | grep -q 'Lua 5.1' && luajit -v",
    );
    let install = proved(&machine);
    assert!(why(&install, "preflight").contains("(/usr/bin/lua5.4)"), "{}", install.stdout);
    assert_eq!(machine.sh("ls /usr/local/share/lua").trim(), "5.4");
}

#[test]
fn a_lua_in_usr_local_that_prosody_runs() {
    // It searches one more folder, and finds two modules there that Debian's Lua would not find.
    let machine = debian_12();
    machine.sh("mkdir /opt/lua; cp /usr/share/lua/5.2/basexx.lua /usr/share/lua/5.3/inspect.lua /opt/lua/
         printf '#!/bin/sh\\nLUA_PATH_5_4=\"/opt/lua/?.lua;;\" exec /usr/bin/lua5.4 \"$@\"\\n' > /usr/local/bin/lua5.4
         chmod 755 /usr/local/bin/lua5.4; systemctl restart prosody");
    let install = proved(&machine);
    assert!(why(&install, "preflight").contains("(/usr/local/bin/lua5.4)"), "{}", install.stdout);
    for step in ["rock-basexx", "lua-modules"] {
        assert!(steps_in(&install.json(), "satisfied").contains(&step.to_owned()), "{}", install.stdout);
    }
    machine.sh("! test -e /usr/local/share/lua/5.4/basexx.lua");
}

#[test]
fn a_lua_only_in_roots_path() {
    let machine = debian_12();
    machine.sh("mkdir /root/bin; printf '#!/bin/sh\\nexit 7\\n' > /root/bin/lua5.4; chmod 755 /root/bin/lua5.4");
    let install =
        machine.sh("PATH=/root/bin:$PATH; ! lua5.4; /opt/jitsi-tokens-setup/jitsi-tokens-setup install --yes --json");
    assert!(install.contains("(/usr/bin/lua5.4)"), "{install}");
    machine.assert_proved();
}

#[test]
fn a_shadowing_library_is_moved_aside_and_restored() {
    let machine = debian_12();
    let stale = "/usr/local/lib/lua/5.4/cjson.so";
    machine.sh(&format!(
        "mkdir -p /usr/local/lib/lua/5.4; cp /usr/lib/*/lua/5.1/cjson.so {stale}; \
         ! lua5.4 -e 'require \"cjson\"' && sha256sum {stale} > /root/sum"
    ));
    let plan = plan(&machine, "lua-modules");
    assert!(plan.contains(stale) && plan.contains("a working copy is behind it"), "{plan}");
    proved(&machine);
    machine.sh(&format!("! test -e {stale}; ls {stale}.set-aside-by-jitsi-tokens-setup"));
    let uninstall = machine.tool(&["uninstall", "--yes"]);
    assert_eq!(uninstall.code, 0, "{}", uninstall.all());
    machine.sh(
        "sha256sum -c /root/sum; ls -R /usr/local/lib/lua /usr/local/share/lua; ! find /usr/local | grep set-aside",
    );
}

#[test]
fn a_copy_without_needed_functions_is_moved_aside() {
    let machine = debian_12();
    machine.sh("mkdir -p /usr/local/share/lua/5.4
         echo 'return { to_base64 = function(text) return text end }' > /usr/local/share/lua/5.4/basexx.lua");
    let plan = plan(&machine, "rock-basexx");
    assert!(plan.contains("/usr/local/share/lua/5.4/basexx.lua: it has no function from_url64"), "{plan}");
    proved(&machine);
    machine.sh("test -L /usr/local/share/lua/5.4/basexx.lua");
    assert_eq!(machine.tool(&["uninstall", "--yes"]).code, 0);
    machine.sh("grep -q to_base64 /usr/local/share/lua/5.4/basexx.lua");
}

#[test]
fn modules_that_only_root_can_load() {
    let machine = debian_12();
    // One in root's home, and one that only root can read.
    machine.sh("mkdir -p /root/.luarocks/share/lua/5.4 /usr/local/share/lua/5.4
         cp /usr/share/lua/5.3/inspect.lua /root/.luarocks/share/lua/5.4/
         install -m 600 /usr/share/lua/5.2/basexx.lua /usr/local/share/lua/5.4/");
    let install = machine.sh(
        "export LUA_PATH='/root/.luarocks/share/lua/5.4/?.lua;;'; lua5.4 -e 'require \"inspect\" require \"basexx\"'
         /opt/jitsi-tokens-setup/jitsi-tokens-setup install --yes --json",
    );
    let made = changes_in_words(&serde_json::from_str(&install).expect("JSON"));
    assert!(made.iter().any(|line| line.starts_with("link /usr/local/share/lua/5.4/inspect.lua ")), "{made:#?}");
    machine.assert_proved();
    machine.sh("test -L /usr/local/share/lua/5.4/basexx.lua");
    assert_eq!(machine.tool(&["uninstall", "--yes"]).code, 0);
    assert_eq!(machine.mode("/usr/local/share/lua/5.4/basexx.lua"), "600");
}

#[test]
fn several_virtual_hosts_and_a_second_conference() {
    let machine = debian_12();
    machine.sh(r#"cat > /etc/prosody/conf.d/another.cfg.lua <<'END'
VirtualHost "other.example.org"
    authentication = "internal_hashed"
Component "conference.other.example.org" "muc"
    modules_enabled = { "muc_meeting_id" }
END
        sha256sum /etc/prosody/conf.d/another.cfg.lua > /root/sum; systemctl restart prosody"#);
    proved(&machine);
    machine.sh("sha256sum -c /root/sum");
}

#[test]
fn a_site_in_the_main_configuration_file() {
    let machine = debian_12();
    // Global options have to come before the first host.
    machine.sh(&format!(
        r#"cd /etc/prosody
        {{ sed '/^VirtualHost/,$d' {HOST_FILE}; grep -v '^plugin_paths' prosody.cfg.lua; sed -n '/^VirtualHost/,$p' {HOST_FILE}; }} > /root/new
        printf 'Component "conference.x.meet.example.org" "muc"\n modules_enabled = {{ "muc_meeting_id" }}\n' >> /root/new
        rm {HOST_FILE} conf.d/meet.example.org.cfg.lua; cat /root/new > prosody.cfg.lua
        sha256sum prosody.cfg.lua > /root/sum; {RESTART}"#
    ));
    assert!(machine.is_open());
    proved(&machine);
    let count = "grep -c '^[^-]*\"token_verification\"' /etc/prosody/prosody.cfg.lua";
    assert_eq!(machine.sh(count).trim(), "1");
    assert_eq!(machine.tool(&["uninstall", "--yes"]).code, 0);
    machine.sh("cd /etc/prosody; sha256sum -c /root/sum");
    assert!(machine.is_open());
}

#[test]
fn plugin_paths_as_an_invalid_string() {
    let machine = debian_12();
    machine.sh(&format!(
        "sed -i 's|^plugin_paths = .*|plugin_paths = \"/usr/share/jitsi-meet/prosody-plugins/\"|' {HOST_FILE}
         grep -q '^plugin_paths = \"' {HOST_FILE}; systemctl restart prosody; sleep 1; ! systemctl -q is-active prosody"
    ));
    proved(&machine);
}

#[test]
fn plugin_paths_with_a_folder_before_jitsis() {
    let machine = debian_12();
    // The operator's own copy, in a folder named after the module: that is what Prosody loads.
    machine.sh(&format!(
        "mkdir -p /opt/plugins/mod_auth_token
         cp /usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua /opt/plugins/mod_auth_token/
         cp -r /usr/share/jitsi-meet/prosody-plugins/token /usr/share/jitsi-meet/prosody-plugins/luajwtjitsi.lib.lua /opt/plugins/
         sed -i 's|^plugin_paths = {{|plugin_paths = {{ \"/opt/plugins\",|' {HOST_FILE}; systemctl restart prosody"
    ));
    let install = proved(&machine);
    assert!(why(&install, "preflight").contains("(/opt/plugins/token/util.lib.lua:"), "{}", install.stdout);
}

#[test]
fn an_unknown_plugin_blocks_and_is_located() {
    let machine = debian_12();
    machine.sh("sed -i 's/module:require \"luajwtjitsi\"/require \"luajwtjitsi\"/; s/jwt\\.verify/jwt.examine/' \
         /usr/share/jitsi-meet/prosody-plugins/token/util.lib.lua");
    // debconf rewrites its files whenever it is queried; their content stays.
    let all = |machine: &Machine| {
        let folders = ["etc", "usr/local", "usr/share/jitsi-meet", "var/cache/debconf", "var/lib"];
        folders.map(|folder| tree(&machine.root().join(folder)))
    };
    let before = all(&machine);
    for args in [&["install", "--yes", "--json"][..], &["status", "--json"]] {
        let run = machine.tool(args);
        assert_eq!(run.code, 5, "{}", run.all());
        let why = why(&run, "preflight");
        assert!(why.contains("/usr/share/jitsi-meet/prosody-plugins/token/util.lib.lua:17: "), "{why}");
    }
    for (before, after) in before.iter().zip(&all(&machine)) {
        assert_eq!(differences(before, after), Vec::<String>::new());
    }
}

#[test]
fn an_old_luajwtjitsi_that_accepts_any_issuer_is_replaced() {
    let machine = fresh("bookworm-verify");
    proved(&machine);
    let (app_id, secret) = machine.credentials();
    let wrong_issuer = |machine: &Machine| machine.matrix(&app_id, &secret)["cases"]["wrong-issuer"]["login"].clone();
    assert_eq!(wrong_issuer(&machine), "refused");
    machine.sh(
        "apt-get install -q -y gcc libc6-dev make liblua5.4-dev >/dev/null
         for rock in lbase64 'luajwtjitsi 2.0-0'; do /usr/bin/lua5.4 /usr/bin/luarocks install --deps-mode=none $rock; done",
    );
    machine.sh(RESTART);
    assert_eq!(wrong_issuer(&machine), "accepted");
    let plan_of_rock = plan(&machine, "rock-luajwtjitsi");
    assert!(plan_of_rock.contains("it accepts a token of another issuer"), "{plan_of_rock}");
    let install = proved(&machine);
    assert_eq!(steps_in(&install.json(), "done"), ["rock-luajwtjitsi", "prosody-restart"]);
    // The same version, copied by hand to where Prosody looks first: the rock behind it is good.
    machine.sh("mkdir /root/old; cd /root/old; unzip -q /srv/bed/rocks/luajwtjitsi-2.0-0.src.rock; tar -xf *.tar.gz
         cp $(find . -name luajwtjitsi.lua) /usr/lib/prosody/");
    machine.sh(RESTART);
    assert_eq!(wrong_issuer(&machine), "accepted");
    let plan_of_rock = plan(&machine, "rock-luajwtjitsi");
    assert!(plan_of_rock.contains("/usr/lib/prosody/luajwtjitsi.lua"), "{plan_of_rock}");
    proved(&machine);
    machine.sh("! test -e /usr/lib/prosody/luajwtjitsi.lua");
}

mod thorough {
    use super::{debian_12, fresh, proved, why};
    use crate::bed::HOST_FILE;

    #[test]
    fn prosodys_own_package_under_another_name() {
        let machine = debian_12();
        // Debian's package repacked under its name in Prosody's own archive.
        machine.sh(
            "mkdir /root/p; cd /root/p; cp /srv/bed/debian/pool/prosody_*.deb p.deb; dpkg-deb -R p.deb tree
             sed -i -E '/^(Conflicts|Replaces|Provides|Breaks):/d; s/^Package: .*/Package: prosody-0.12/; s/^Depends:/Provides: prosody\\nConflicts: prosody\\nReplaces: prosody\\nDepends:/' tree/DEBIAN/control
             dpkg-deb -b tree prosody-0.12.deb; apt-get install -qq -y ./prosody-0.12.deb; systemctl restart prosody
             dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' 'prosody*'; ! dpkg-query -W -f '${db:Status-Abbrev}' prosody | grep -q ii",
        );
        let install = proved(&machine);
        assert!(why(&install, "preflight").contains("Prosody 0.12.3"), "{}", install.stdout);
    }

    #[test]
    fn a_prosody_in_usr_local() {
        let machine = debian_12();
        machine.sh(&format!(
            "cp -r /usr/lib/prosody /usr/local/lib/prosody; mv /usr/lib/prosody /root/hidden
             for name in prosody prosodyctl; do
               sed 's|/usr/lib/prosody|/usr/local/lib/prosody|g' /usr/bin/$name > /usr/local/bin/$name
               chmod 755 /usr/local/bin/$name; mv /usr/bin/$name /root/
             done
             mkdir -p /etc/systemd/system/prosody.service.d
             printf '[Service]\\nExecStart=\\nExecStart=/usr/local/bin/prosody -F\\n' > /etc/systemd/system/prosody.service.d/local.conf
             systemctl daemon-reload; systemctl restart prosody; test -f {HOST_FILE}"
        ));
        proved(&machine);
        machine.systemctl("stop", "prosody");
        proved(&machine);
    }

    #[test]
    fn unreachable_rocks_servers_and_missing_rocks_differ() {
        let machine = fresh("bookworm-verify");
        let install = machine.tool(&["install", "--yes", "--luajwtjitsi", "9.9-9"]);
        assert_eq!(install.code, 1, "{}", install.all());
        assert!(install.all().contains("the LuaRocks server has no such rock"), "{}", install.all());
        let servers =
            "sed -i.was 's|^rocks_servers.*|rocks_servers = { [[http://127.0.0.1:9]] }|' /etc/luarocks/config-5.4.lua";
        machine.sh(servers);
        let install = machine.tool(&["install", "--yes"]);
        assert_eq!(install.code, 1, "{}", install.all());
        assert!(install.all().contains("the LuaRocks server could not be reached"), "{}", install.all());
        machine.sh("mv /etc/luarocks/config-5.4.lua.was /etc/luarocks/config-5.4.lua");
        proved(&machine);
    }

    #[test]
    fn a_restrictive_umask() {
        let machine = fresh("bookworm-verify");
        machine.sh("umask 077; /opt/jitsi-tokens-setup/jitsi-tokens-setup install --yes");
        machine.assert_proved();
    }
}
