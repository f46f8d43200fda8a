//! What can be wrong with a server, as stable IDs. The results decide which one it is, and the words for people are
//! found where that is decided (`cause`).

use schemars::JsonSchema;
use serde::Serialize;

/// What is wrong, or could not be tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// Prosody does not require tokens.
    TokensNotRequired,
    /// People without a token are accepted, although the configuration requires one.
    NoTokenAccepted,
    /// Text that is not a token is accepted.
    MalformedTokenAccepted,
    /// Unsigned tokens are accepted.
    UnsignedTokenAccepted,
    /// Tokens that are signed with another secret or key are accepted.
    ForgedTokenAccepted,
    /// Tokens whose payload was modified are accepted.
    TamperedTokenAccepted,
    /// Expired tokens are accepted.
    ExpiredTokenAccepted,
    /// Tokens of any issuer are accepted.
    WrongIssuerAccepted,
    /// Another invalid token is accepted.
    InvalidTokenAccepted,
    /// Replaced credentials are still accepted, or kept ones are not.
    OldCredentials,
    /// Guests can open rooms, because people without a token count as hosts.
    GuestsCountAsHosts,
    /// Guests can open rooms by themselves.
    GuestsOpenRooms,
    /// Guests cannot log in.
    GuestsCannotLogIn,
    /// Guests cannot enter a room although somebody with a token is in it.
    GuestsKeptOut,
    /// Every token opens every room.
    RoomsNotChecked,
    /// Tokens of other sites open rooms.
    OtherSitesEnterRooms,
    /// Whoever enters first moderates, whatever the token says.
    FirstModerates,
    /// A moderator's token has no effect.
    ModeratorTokenIgnored,
    /// Recorders cannot log in.
    RecordersCannotLogIn,
    /// Recorders cannot enter rooms.
    RecordersKeptOut,
    /// Valid tokens are rejected: Prosody uses another app secret.
    OtherSecret,
    /// Valid tokens are rejected: Prosody accepts other issuers.
    OtherIssuer,
    /// Valid tokens are rejected: Prosody accepts other audiences.
    OtherAudience,
    /// Valid tokens are rejected: Prosody uses another algorithm.
    OtherAlgorithm,
    /// Valid tokens are rejected: Prosody uses a key server.
    OtherKeySource,
    /// Valid tokens are rejected: clocks differ.
    ClocksDiffer,
    /// The token did not reach Prosody.
    TokenLost,
    /// Valid tokens are rejected for an unknown reason.
    ValidTokenRejected,
    /// Prosody lacks the key source's current key.
    KeyNotFetched,
    /// The given token is invalid; `token_problem` says why.
    TokenInvalid,
    /// A valid token does not open its room.
    RoomRefused,
    /// The room check expects another room or domain than a valid token has.
    RoomCheckMismatch,
    /// Jicofo opens rooms on another component than the expected one.
    RoomsElsewhere,
    /// New rooms stay locked.
    RoomsLocked,
    /// The rooms' component is not served.
    RoomsNotServed,
    /// The rooms' component does not answer.
    RoomsDoNotAnswer,
    /// Jicofo requires a login of its own.
    JicofoLogin,
    /// Rooms could not be tested, because jicofo opened none.
    RoomsNotTested,
    /// No valid token was tried, because only an identity provider can sign one.
    ValidTokenNotTested,
    /// The token plugin crashes on valid tokens.
    PluginCrashes,
    /// The token plugin is not loaded.
    PluginNotLoaded,
    /// Prosody requires encryption from the web server.
    EncryptionRequired,
    /// Prosody is not running, or does not listen.
    ProsodyDown,
    /// Prosody accepts connections but does not respond.
    ProsodyHangs,
    /// Prosody did not start again.
    ProsodyNotRestarted,
    /// Prosody does not serve the domain.
    DomainNotServed,
    /// Prosody does not serve this transport.
    TransportNotServed,
    /// Prosody rejects the web page's WebSocket.
    WebSocketOrigin,
    /// Something other than Prosody answers.
    OtherServer,
    /// The logins were not made, or their outcome is unknown.
    NotTested,
    /// The server ended the session before the login.
    SessionEnded,
    /// The web server is not running.
    WebServerDown,
    /// The web server does not respond.
    WebServerHangs,
    /// The web server does not reach Prosody.
    WebServerNoProsody,
    /// The web server does not proxy to Prosody.
    WebServerNoProxy,
    /// The web server redirects to another address.
    WebServerRedirects,
    /// The web server's certificate is not trusted.
    CertificateNotTrusted,
    /// After its next restart, Prosody accepts no tokens.
    RestartEndsTokens,
    /// After its next restart, Prosody lets anyone in.
    RestartOpensServer,
    /// After its next restart, Prosody checks no rooms.
    RestartOpensRooms,
    /// Token authentication is not set up.
    NotSetUp,
    /// No login was made.
    NothingTested,
    /// A login or room had an unexpected result; the probes say which.
    UnexpectedResult,
}

impl ProblemKind {
    /// Whether anyone can join, or forge a token and join with it.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::TokensNotRequired
                | Self::NoTokenAccepted
                | Self::MalformedTokenAccepted
                | Self::UnsignedTokenAccepted
                | Self::ForgedTokenAccepted
                | Self::TamperedTokenAccepted
                | Self::GuestsCountAsHosts
        )
    }
}
