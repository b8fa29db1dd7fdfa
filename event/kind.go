package event

// Kind says what has happened. It is a stable code, the same in logs, in JSON and in keys of translations. Words for
// people are made where people read.
type Kind string

const (
	EnrollmentBegun     Kind = "enrollment.begun"
	EnrollmentConfirmed Kind = "enrollment.confirmed"
	EnrollmentAbandoned Kind = "enrollment.abandoned" // canceled, ten wrong codes, superseded or ended by another change

	// A sign-in that took no second step, from a browser: Method says what it took instead. Where the account had no
	// second factor, or the host's own or a provider's was enough (websession.Config.ExternalReplacesStep).
	FirstFactorSignIn Kind = "sign_in.first_factor"

	CodeAccepted   Kind = "code.accepted"   // Method, and AuthenticatorID of TOTP and of a passkey
	CodeDenied     Kind = "code.denied"     // Why says why; tell it to nobody outside
	MethodLocked   Kind = "method.locked"   // RetryAt zero: until it is unlocked
	MethodUnlocked Kind = "method.unlocked" // before its time
	// Codes come in while the method is locked, or more wrong recovery codes than are kept. Told once for each lock or
	// pause, and process.
	ThrottledBurst Kind = "method.throttled_burst"
	// 20 wrong codes in 30 days: somebody may have the password. Told again each week while it goes on.
	ManyFailures Kind = "code.many_failures"

	RecoveryCodeUsed          Kind = "recovery_code.used"
	RecoveryCodesLow          Kind = "recovery_codes.low" // fewer than 3 are left
	RecoveryCodesRegenerated  Kind = "recovery_codes.regenerated"
	RecoveryCodesAcknowledged Kind = "recovery_codes.acknowledged"
	OperatorCodeMade          Kind = "operator_code.made" // Expires
	OperatorCodeUsed          Kind = "operator_code.used"

	AuthenticatorAdded    Kind = "authenticator.added"
	AuthenticatorRenamed  Kind = "authenticator.renamed"
	AuthenticatorRemoved  Kind = "authenticator.removed"
	AuthenticatorResynced Kind = "authenticator.resynced"

	// A passkey was denied whose counter went back, or whose flags are not those that it was registered with: somebody may
	// have a copy of it. It stays as it is.
	PasskeySuspect Kind = "passkey.suspect"

	// A sign-in was completed in a browser that was not known, also if none was. Only where Session.NewBrowser is given.
	NewBrowser Kind = "browser.new"

	TwoFactorOff     Kind = "two_factor.off"
	PasswordChanged  Kind = "password.changed"
	AccountReset     Kind = "account.reset"
	AccountSuspended Kind = "account.suspended"
	AccountResumed   Kind = "account.resumed"
	AccountImported  Kind = "account.imported" // the authenticator if it was one, and CodesLeft; OperatorCodeMade follows where it was closed
	AccountDeleted   Kind = "account.deleted"
	AccountRestored  Kind = "account.restored" // after a restore of the store: the owner may have no recovery codes any more
	KeyMoved         Kind = "key.moved"

	SessionsEnded       Kind = "sessions.ended"        // all but the one in which the owner asked for it
	SessionEnded        Kind = "session.ended"         // one other, by the owner
	SecondFactorMissing Kind = "second_factor.missing" // the host expects one, and the store has none
	ActivityReviewed    Kind = "activity.reviewed"

	TokenMinted     Kind = "token.minted"
	TokenFirstUsed  Kind = "token.first_used"  // each process may tell it once
	TokenNewAddress Kind = "token.new_address" // Address is none of the last five; each process may tell it once
	TokenRotated    Kind = "token.rotated"
	TokenRenewed    Kind = "token.renewed"
	TokenReused     Kind = "token.reused" // a rotated copy was presented after its grace: somebody has an old one
	// A rotated copy that still works was presented to be rotated by itself: two have the token, or its holder has
	// lost the successor. Told once a copy.
	TokenContested Kind = "token.contested"
	TokenExpiring  Kind = "token.expiring" // Expires
	// Its owner's second factor was turned off, which it needs, or on, and it was made without.
	TokenNeedsSecondFactor Kind = "token.needs_second_factor"
	TokenRevoked           Kind = "token.revoked"
	TokensRevoked          Kind = "tokens.revoked" // all of the account's
	TokenPurged            Kind = "token.purged"

	// Of a service account, in the activity of its owner: ServiceAccountID. The first is in its own as well.
	ServiceAccountCreated Kind = "service_account.created"
	ServiceAccountRemoved Kind = "service_account.removed" // from its owner's list
	ServiceTokenMinted    Kind = "service_token.minted"    // by an operator, as the next two; its own activity has TokenMinted
	ServiceTokenRotated   Kind = "service_token.rotated"
	ServiceTokenRenewed   Kind = "service_token.renewed"

	RiskAccepted   Kind = "risk.accepted"   // Control
	RiskWithdrawn  Kind = "risk.withdrawn"  // Control
	PostureChanged Kind = "posture.changed" // Level and Score are the account's present ones
	PostureRules   Kind = "posture.rules"   // the same, because the rules are others; the account has not changed
)

// Kinds returns every kind, in the order of their declaration.
func Kinds() []Kind {
	return []Kind{
		EnrollmentBegun, EnrollmentConfirmed, EnrollmentAbandoned,
		FirstFactorSignIn, CodeAccepted, CodeDenied, MethodLocked, MethodUnlocked, ThrottledBurst, ManyFailures,
		RecoveryCodeUsed, RecoveryCodesLow, RecoveryCodesRegenerated, RecoveryCodesAcknowledged, OperatorCodeMade, OperatorCodeUsed,
		AuthenticatorAdded, AuthenticatorRenamed, AuthenticatorRemoved, AuthenticatorResynced, PasskeySuspect, NewBrowser,
		TwoFactorOff, PasswordChanged, AccountReset, AccountSuspended, AccountResumed, AccountImported, AccountDeleted, AccountRestored, KeyMoved,
		SessionsEnded, SessionEnded, SecondFactorMissing, ActivityReviewed,
		TokenMinted, TokenFirstUsed, TokenNewAddress, TokenRotated, TokenRenewed, TokenReused, TokenContested, TokenExpiring,
		TokenNeedsSecondFactor, TokenRevoked, TokensRevoked, TokenPurged,
		ServiceAccountCreated, ServiceAccountRemoved, ServiceTokenMinted, ServiceTokenRotated, ServiceTokenRenewed,
		RiskAccepted, RiskWithdrawn, PostureChanged, PostureRules,
	}
}

// warns reports whether an event is one to look at.
func (k Kind) warns() bool {
	switch k {
	case CodeDenied, MethodLocked, ThrottledBurst, ManyFailures, RecoveryCodeUsed, RecoveryCodesLow, PasskeySuspect, NewBrowser,
		TwoFactorOff, AccountReset, AccountRestored, SecondFactorMissing, AccountSuspended, TokenReused, TokenContested,
		TokenNewAddress, TokenNeedsSecondFactor:
		return true
	}
	return false
}

// Method is a way to prove an account's owner by a code or a passkey, or of FirstFactorSignIn the first factor. It is a stable code as
// Kind is.
type Method string

const (
	MethodTOTP         Method = "totp"
	MethodRecoveryCode Method = "recovery_code"
	MethodOperatorCode Method = "operator_code"
	MethodPasskey      Method = "passkey"

	MethodPassword Method = "password" // or what else the host has checked by itself
	MethodProvider Method = "provider" // an identity provider's check
)
