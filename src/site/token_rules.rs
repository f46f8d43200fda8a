//! The rules by which the server on this machine judges tokens: what its installed plugins do, read from their source,
//! and what its configuration requires.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::Host;
use crate::prosody::config::Config;
use crate::prosody::era::Era;
use crate::prosody::plugin::Plugin;
use crate::site::expectations::Expectations;
use crate::site::expectations::code;
use crate::site::token_keys::{self, AcceptedKey};
use crate::token::plugin::{MissingRoom, TenantLog};
use crate::token::{self, Algorithm, Lua, NamedKey, PluginKeys, Rooms, RsaPublicKey, Rules};

/// Jitsi's file that decides about claims and rooms.
const DECIDES: &str = "token/util.lib.lua";

/// The rules of this machine. `lua` is the version that runs Prosody, `muc` the component that holds the rooms.
pub fn read(
    host: &dyn Host,
    config: &Config,
    wanted: &Expectations,
    plugin: &Plugin,
    lua: &str,
    muc: &str,
) -> Result<Rules> {
    let domain = &wanted.domain;
    let text = |name: &str| {
        let value = &config.effective(domain, name)?.value;
        value.as_str().map(str::to_owned)
    };
    let keys = match text("asap_key_server").or(text("cache_keys_url")) {
        Some(_) => PluginKeys::Server,
        // Our module rejects unknown keys in the same words.
        None if wanted.by_public_key => PluginKeys::Server,
        None => PluginKeys::Secret,
    };
    let algorithm = match keys {
        PluginKeys::Server if text("signature_algorithm").is_none() => Algorithm::Rs256,
        _ => wanted.algorithm,
    };
    let prefix = text("muc_mapper_domain_prefix");
    let based = |base: String| {
        let prefix = prefix.as_deref().unwrap_or("conference");
        text("muc_mapper_domain").unwrap_or(format!("{prefix}.{base}"))
    };
    Ok(Rules {
        plugin: behavior(host, plugin)?,
        lua: Lua::of(lua),
        keys,
        public_keys: public_keys(host, config, domain)?,
        earlier_secrets: token_keys::earlier(host, config, domain)?,
        algorithm: (wanted.era != Era::Decode).then_some(algorithm),
        issuers: Some(wanted.accepted_issuers.clone()),
        audiences: wanted.accepted_audiences.clone(),
        domain_verification: wanted.domain_verification,
        require_room: wanted.require_room,
        domain: Some(domain.clone()),
        rooms: Rooms { component: Some(muc.to_owned()), mapped: text("muc_mapper_domain_base").map(based), prefix },
    })
}

/// The public keys that our module accepts, if it checks tokens with such keys.
fn public_keys(host: &dyn Host, config: &Config, domain: &str) -> Result<Option<Vec<NamedKey>>> {
    if !token_keys::by_public_key(config, domain) {
        return Ok(None);
    }
    // Nobody can log in with a damaged one.
    let named = |AcceptedKey { kid, pem }| Some(NamedKey { kid, key: RsaPublicKey::from_pem(&pem).ok()?.into() });
    Ok(Some(token_keys::accepted(host, config, domain)?.into_iter().filter_map(named).collect()))
}

/// What the installed plugins do.
fn behavior(host: &dyn Host, plugin: &Plugin) -> Result<token::PluginModel> {
    let decode = plugin.era == Era::Decode;
    let decides = |path: &&PathBuf| path.ends_with(Path::new(DECIDES));
    let Some(path) = plugin.files.iter().find(decides) else {
        // A custom plugin: the usual one of its era is the best guess.
        return Ok(match plugin.era {
            Era::Decode => token::PluginModel::of(2020, 12),
            Era::Verify => token::PluginModel::of(2022, 5),
            Era::Bundled => token::PluginModel::NEWEST,
        });
    };
    let source = host.read(path)?.unwrap_or_default();
    let words = code(&source).with_context(|| format!("cannot read {}", path.display()))?;
    let says = |wanted: &str| {
        let wanted: Vec<&[u8]> = wanted.split(' ').map(str::as_bytes).collect();
        words.windows(wanted.len()).any(|words| words == wanted)
    };
    let has = |text: &str| words.contains(&text.as_bytes());
    Ok(token::PluginModel {
        decode,
        patterns: has("regex"),
        keeps_odd_rooms: says("type ( auth_room )"),
        strips_tenants: says("ends_with ( room ,"),
        room_is_optional: says("not self . requireRoomClaim"),
        missing_room: if decode {
            MissingRoom::Refused
        } else if has("room claim is missing") {
            MissingRoom::RefusedLast
        } else {
            MissingRoom::Crash
        },
        tenant: if !has("jitsi_meet_str_tenant") {
            None
        } else if says("inspect ( session . jitsi_meet_context_user )") {
            Some(TenantLog::User)
        } else {
            Some(TenantLog::Id)
        },
        guards_patterns: says("pcall ( string . match"),
        needs_sub: has("sub claim is missing"),
        needs_open_room: has("room-does-not-exist"),
        explains: has("room-mismatch"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::host::secret::Secret;
    use crate::site::token_keys::{EarlierSecret, TokenKeys};
    use crate::token::times;

    fn rules(config: &str, era: Era, util: &str) -> Rules {
        let path = "/plugins/token/util.lib.lua";
        let host = FakeHost::new().file("/p.lua", config).file(path, util);
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        let plugin =
            Plugin { era, era_source: String::new(), modules: Default::default(), files: [path.into()].into() };
        let wanted = Expectations::defaults("m.org", "app", Secret::unlisted("key"), era);
        read(&host, &config, &wanted, &plugin, "5.4", "conference.m.org").unwrap()
    }

    #[test]
    fn accepted_keys_and_earlier_secrets_are_read_from_their_file() {
        let pem = RsaPublicKey::from_numbers(&[0xff; 256], &[1, 0, 1]).unwrap().to_pem();
        let now = times::unix(FakeHost::new().now());
        let keys = TokenKeys {
            keys: vec![
                AcceptedKey { kid: "a".to_owned(), pem },
                AcceptedKey { kid: "b".to_owned(), pem: "damaged".to_owned() },
            ],
            earlier: vec![
                EarlierSecret::new(&Secret::unlisted("over"), now),
                EarlierSecret::new(&Secret::unlisted("old"), now + 1),
            ],
        };
        let seen = |config: &str| {
            let host = FakeHost::new()
                .file("/p.lua", config)
                .file(&token_keys::path("m.org").display().to_string(), keys.to_bytes().unwrap());
            let config = Config::load(&host, Path::new("/p.lua")).unwrap();
            let kids = public_keys(&host, &config, "m.org").unwrap();
            let kids = kids.map(|keys| keys.into_iter().map(|key| key.kid).collect::<Vec<_>>());
            let earlier = token_keys::earlier(&host, &config, "m.org").unwrap();
            (kids, earlier.iter().map(|secret| secret.reveal().to_owned()).collect::<Vec<_>>())
        };
        let module = "VirtualHost \"m.org\"\nmodules_enabled = { \"jts_token_keys\" }\n";
        assert_eq!(seen(module), (None, vec!["old".to_owned()]));
        let by_key = format!("{module}signature_algorithm = \"RS256\"\n");
        assert_eq!(seen(&by_key), (Some(vec!["a".to_owned()]), vec![]));
        assert_eq!(seen("VirtualHost \"m.org\"\n"), (None, vec![]), "the module is not enabled");
    }

    const SITE: &str = "VirtualHost \"m.org\"\nmuc_mapper_domain_base = \"m.org\"\n";

    #[test]
    fn plugin_behavior_is_read_from_the_source() {
        let oldest = rules(SITE, Era::Decode, "-- regex\nlocal claims = jwt.decode(t, s, true)");
        assert_eq!(oldest.plugin, token::PluginModel::of(2020, 8));
        let december_2023 = "
            if session.context_room['regex'] == true then end
            if type(auth_room) == 'string' then end
            if not ends_with(room, ']'..auth_room) then end
            if not self.requireRoomClaim then end
            return false, \"'room' claim is missing\";";
        let seen = rules(SITE, Era::Bundled, december_2023);
        assert_eq!(seen.plugin, token::PluginModel::of(2023, 12));
        let february_2024 = format!(
            "{december_2023} session.jitsi_meet_str_tenant = 1; log(inspect(session.jitsi_meet_context_user));"
        );
        // Lua allows `return` only at the end of a block, but nothing compiles this source.
        let seen = rules(SITE, Era::Bundled, &february_2024);
        assert_eq!(seen.plugin, token::PluginModel::of(2024, 2));
    }

    #[test]
    fn rooms_and_keys_are_read_from_the_configuration() {
        let site = rules(SITE, Era::Bundled, "");
        assert_eq!(site.rooms.mapped.as_deref(), Some("conference.m.org"));
        assert_eq!((site.keys, site.algorithm), (PluginKeys::Secret, Some(Algorithm::Hs256)));
        let none = rules("VirtualHost \"m.org\"\n", Era::Bundled, "");
        assert_eq!(none.rooms.mapped, None);
        let keys = format!("{SITE}asap_key_server = \"https://k.example\"\n");
        let keys = rules(&keys, Era::Bundled, "");
        assert_eq!((keys.keys, keys.algorithm), (PluginKeys::Server, Some(Algorithm::Rs256)));
        let muc = format!("{SITE}muc_mapper_domain_prefix = \"muc\"\n");
        let muc = rules(&muc, Era::Bundled, "");
        assert_eq!((muc.rooms.prefix(), muc.rooms.mapped.as_deref()), ("muc", Some("muc.m.org")));
    }
}
