package posture

import (
	"time"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// The IDs of the controls that are built in.
const (
	SecondFactor         = "second-factor"
	RecoveryCodesExist   = "recovery-codes"
	RecoveryCodesSaved   = "recovery-codes-saved"
	RecoveryCodesLeft    = "recovery-codes-left"
	SecondAuthenticator  = "second-authenticator"
	PhishingResistant    = "phishing-resistant"
	PasskeysAlone        = "passkeys-alone"
	EmailVerified        = "email-verified"
	MethodsOpen          = "methods-open"
	RecoveryUseSeen      = "recovery-use-seen"
	TokensExpire         = "tokens-expire"
	TokensUsed           = "tokens-used"
	TokensNarrow         = "tokens-narrow"
	TokensNotExpiring    = "tokens-not-expiring"
	TokensSecondFactor   = "tokens-second-factor"
	ServiceTokensSeen    = "service-tokens-seen"
	KeysCurrent          = "keys-current"
	AuthenticatorsStrong = "authenticators-strong"
)

const (
	day = 24 * time.Hour

	fewCodes     = 3
	unusedFor    = 90 * day
	broadAfter   = 30 * day // a token that is younger may yet use all of its scopes
	expiringSoon = 7 * day
)

// builtin returns the controls that are built in, in the order in which they are shown.
func builtin() []Control {
	return []Control{
		{
			ID: SecondFactor, Title: "Two-factor sign-in is on", Failing: "Two-factor sign-in is off",
			Question: "Does signing in take more than your password?",
			Severity: Critical, Standards: []string{"NIST SP 800-63B-4 §2.2", "OWASP ASVS 5.0 6.3.3"}, Impact: Some, Effort: Some,
			Fix: Remediation{Title: "Turn on two-factor sign-in", StepUp: true,
				Text: "You need your phone and about two minutes. You also get recovery codes, for when you lose it."},
			Reads: HostEvidence, Check: checkSecondFactor, delegable: true, try: pairFirst,
		},
		{
			ID: RecoveryCodesExist, Title: "You have recovery codes", Failing: "You have no recovery codes",
			Question: "Can you get back in without your phone?",
			Severity: High, Standards: []string{"NIST SP 800-63B-4 §4.2"}, Impact: Little, Effort: Little,
			Fix: Remediation{Title: "Create recovery codes", StepUp: true,
				Text: "They sign you in when you lose your phone. Keep them where you keep important papers."},
			Reads: HostEvidence, Check: checkRecoveryCodes, delegable: true, try: newCodes,
		},
		{
			ID: RecoveryCodesSaved, Title: "Your recovery codes are saved", Failing: "Your recovery codes may not be saved",
			Question: "Have you saved your recovery codes?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §4.2.1.1"}, Impact: Little, Effort: Little,
			Fix: Remediation{Title: "Confirm that you saved your recovery codes",
				Text: "If you cannot find them, create new ones."},
			Reads: HostEvidence, Check: checkCodesSaved, delegable: true, try: saveCodes,
		},
		{
			ID: RecoveryCodesLeft, Title: "You have enough recovery codes", Failing: "You are running out of recovery codes",
			Question: "Do you have at least three unused recovery codes?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §4.2.1.1"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Title: "Create new recovery codes", Text: "The old ones stop working when you do.", StepUp: true},
			Reads: HostEvidence, Check: checkCodesLeft, delegable: true, try: newCodes,
		},
		{
			ID: SecondAuthenticator, Title: "You have a second authenticator", Failing: "You have no second authenticator",
			Question: "Do you still have a device if you lose one?",
			Severity: Low, Standards: []string{"NIST SP 800-63B-4 §4.1.2.1"}, Impact: Little, Effort: Some,
			Fix: Remediation{Title: "Add a second authenticator", StepUp: true,
				Text: "Set it up on another device. Then losing one device does not lock you out."},
			Reads: HostEvidence, Check: checkSecondAuthenticator, delegable: true, try: pairAnother,
		},
		{
			ID: PhishingResistant, Title: "Your sign-in resists phishing", Failing: "A fake page could use your codes",
			Question: "Would a fake sign-in page learn nothing useful?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §3.2.5"}, Impact: Some, Effort: Some,
			Fix: Remediation{Title: "Add a passkey or a security key", StepUp: true,
				Text: "It only works on the real page, so a fake one gets nothing."},
			Reads: HostEvidence, Check: checkPhishingResistant, delegable: true, try: addPasskey,
		},
		{
			// Low, as phishing-resistant has the weight of it: this one says what to do about the rest.
			ID: PasskeysAlone, Title: "No authenticator app weakens your passkeys", Failing: "A fake page could use a code from your app",
			Question: "Do you sign in with nothing but passkeys?",
			Severity: Low, Standards: []string{"NIST SP 800-63B-4 §3.2.5"}, Impact: Little, Effort: Little,
			Fix: Remediation{Title: "Remove your authenticator app", StepUp: true,
				Text: "You no longer need it once you have two passkeys. Your recovery codes keep working."},
			Reads: AccountEvidence, Check: checkPasskeysAlone, try: removeApps,
		},
		{
			ID: EmailVerified, Title: "Your email address is verified", Failing: "Your email address is not verified",
			Question: "Do messages about your account reach you?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 6.3.7"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Title: "Verify your email address", Text: "Then messages about your account reach you."},
			Reads: HostEvidence, Check: checkEmail, try: verifyEmail,
		},
		{
			ID: MethodsOpen, Title: "You can use every way to sign in", Failing: "A way to sign in is locked",
			Question: "Can you use every way to sign in?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §3.2.2"}, Impact: Little, Effort: Little,
			Fix: Remediation{Title: "Unlock your sign-in", StepUp: true,
				Text: "Someone entered wrong codes. If it was not you, change your password first."},
			Reads: AccountEvidence, Check: checkMethods, try: unlock,
		},
		{
			ID: RecoveryUseSeen, Title: "You know about every use of a recovery code", Failing: "A recovery code was used",
			Question: "Was it you each time a recovery code was used?",
			Severity: High, Standards: []string{"NIST SP 800-63B-4 §4.6"}, Impact: Little, Effort: Little,
			Fix: Remediation{Title: "Check that it was you who used a recovery code",
				Text: "Look at your activity and confirm that it was you. If it was not, create new recovery codes."},
			Reads: AccountEvidence, Check: checkRecoveryUse, try: look,
		},
		{
			// Medium, and so without a cap: at sign-in the throttle bounds guesses whatever the secret. Short of
			// what the standard asks for is only the work of who has seen codes and searches for their secret.
			ID: AuthenticatorsStrong, Title: "Every authenticator has a strong key", Failing: "An authenticator has a short key",
			Question: "Does every authenticator have a key of at least 128 bits?",
			Severity: Medium, Standards: []string{"RFC 4226 §4"}, Impact: Little, Effort: Some,
			Fix: Remediation{Title: "Replace the authenticator with a short key", StepUp: true,
				Text: "Pair the app again. The new pairing replaces the old one."},
			Reads: AccountEvidence, Check: checkStrong, try: replaceWeak,
		},
		{
			ID: TokensExpire, Title: "Every access token expires", Failing: "An access token never expires",
			Question: "Does every access token end by itself?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 10.4.8"}, Impact: Some, Effort: Some,
			Fix:   Remediation{Title: "Replace tokens that never expire", Text: "Create new ones that expire, then revoke the old ones."},
			Reads: TokenEvidence, Check: tokenCheck(endless, "tokens-endless"), try: without(endless), mints: true,
		},
		{
			ID: TokensSecondFactor, Title: "No access token was created with the password alone",
			Failing:  "An access token was created with the password alone",
			Question: "Did creating every access token take two-factor sign-in?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 6.3.4"}, Impact: Some, Effort: Some,
			Fix: Remediation{Title: "Rotate tokens created with the password alone", StepUp: true,
				Text: "Turn on two-factor sign-in, then rotate or revoke them."},
			Reads: HostEvidence | TokenEvidence, Check: checkTokensSecondFactor, delegable: true, try: rotateWeak, mints: true,
		},
		{
			ID: ServiceTokensSeen, Title: "You know about your service accounts", Failing: "Support created something for you to check",
			Question: "Have you checked every token that was created for a service account?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §4.6"}, Impact: Little, Effort: Little,
			Fix: Remediation{Title: "Check the service accounts that count as yours",
				Text: "Look at your activity. If you do not know a service account or its token, ask support to revoke it."},
			Reads: AccountEvidence, Check: checkServiceTokens, try: look,
		},
		{
			ID: TokensUsed, Title: "Every access token is in use", Failing: "An access token was not used for 90 days",
			Question: "Was every access token used in the last 90 days?",
			Severity: Low, Standards: []string{"OWASP ASVS 5.0 7.4.1"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Title: "Revoke tokens that you do not use", Text: "If nothing needs a token, nobody should have it."},
			Reads: TokenEvidence, Check: tokenCheck(unused, "tokens-unused"), try: without(unused),
		},
		{
			ID: TokensNarrow, Title: "No access token may do more than it does", Failing: "An access token may do more than it does",
			Question: "Does every access token use what it may do?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 10.3.2"}, Impact: Some, Effort: Some,
			Fix: Remediation{Title: "Replace tokens that may do too much", StepUp: true,
				Text: "Create new ones with fewer scopes, then revoke the old ones."},
			Reads: TokenEvidence, Check: tokenCheck(broad, "tokens-broad"),
			try: without(broad), mints: true,
		},
		{
			ID: TokensNotExpiring, Title: "No access token is about to expire", Failing: "An access token is about to expire",
			Question: "Will every access token still work next week?",
			Severity: Low, Impact: Little, Effort: Some,
			Fix: Remediation{Title: "Rotate tokens before they expire", StepUp: true,
				Text: "Otherwise, whatever uses them stops working."},
			Reads: TokenEvidence, Check: tokenCheck(ending, "tokens-expiring"), try: without(ending), mints: true,
		},
		{
			ID: KeysCurrent, Title: "Your secrets are stored with the newest key", Failing: "A secret is still stored with an older key",
			Question: "Is every secret stored with the newest key?",
			Severity: Low, Standards: []string{"OWASP ASVS 5.0 11.2.2"}, Impact: Little, Effort: Little,
			Fix: Remediation{Title: "Wait for the service to change its key",
				Text: "The service moves your secrets to its new key. You do not need to do anything."},
			Reads: AccountEvidence, Check: checkKeys, try: never,
		},
	}
}

// The tokens that fail a control.
func endless(t tokens.Info, _ time.Time) bool { return t.Expires.IsZero() }

func unused(t tokens.Info, now time.Time) bool {
	last := t.LastUsed
	if last.Before(t.Created) {
		last = t.Created
	}
	return now.Sub(last) > unusedFor
}

func broad(t tokens.Info, now time.Time) bool {
	return len(t.Unused) > 0 && now.Sub(t.Created) > broadAfter
}

func ending(t tokens.Info, now time.Time) bool {
	return !t.Expires.IsZero() && t.Expires.Sub(now) < expiringSoon
}

func checkSecondFactor(f Facts, _ time.Time) Result {
	switch delegates(f) {
	case Yes:
		return because(Delegated, "provider-asks")
	case Unknown:
		if f.Host.Delegated == nil {
			return because(StateUnknown, "signer-unknown")
		}
		return because(StateUnknown, "provider-silent")
	}
	switch apps, passkeys := f.apps(), f.passkeys(); {
	case apps > 0 && passkeys > 0:
		return because(Pass, "password-and-either")
	case passkeys > 0:
		return because(Pass, "password-and-passkey")
	case apps > 0:
		return because(Pass, "password-and-app")
	case f.Account.Reset != nil:
		return because(Fail, "apps-removed")
	}
	return because(Fail, "password-alone")
}

// delegates says whether an identity provider looks after the account's factors: one that asks for a second factor,
// where no authenticator is paired here.
func delegates(f Facts) Answer {
	switch {
	case len(f.Account.Authenticators) > 0:
		return No
	case f.Host.Delegated.secondFactor():
		return Yes
	case f.Host.Delegated != nil || f.Host.At.IsZero():
		return Unknown
	}
	return No
}

// delegated answers for what a provider looks after together with the second factor.
func delegated(f Facts) (Result, bool) {
	switch delegates(f) {
	case Yes:
		return because(Delegated, "provider-looks-after"), true
	case Unknown:
		return because(StateUnknown, "provider-unknown"), true
	}
	return Result{}, false
}

func checkRecoveryCodes(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch {
	case len(f.Account.Authenticators) == 0:
		return because(Fail, "codes-with-app")
	case f.Account.RecoveryCodes.Left == 0:
		return because(Fail, "codes-used-up")
	}
	return because(Pass, "codes-left", f.Account.RecoveryCodes.Left, f.Account.RecoveryCodes.Total)
}

func checkCodesSaved(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch {
	case f.Account.RecoveryCodes.Total == 0:
		return because(Fail, "codes-none")
	case f.Account.RecoveryCodes.Acknowledged.IsZero():
		return because(Fail, "codes-unsaved")
	}
	return because(Pass, "codes-saved")
}

func checkCodesLeft(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch left := f.Account.RecoveryCodes.Left; {
	case left >= fewCodes:
		return because(Pass, "codes-left", left, f.Account.RecoveryCodes.Total)
	case left > 0:
		return because(Partial, "codes-few", left, f.Account.RecoveryCodes.Total)
	}
	return because(Fail, "codes-used-up")
}

func checkSecondAuthenticator(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch apps, passkeys := f.apps(), f.passkeys(); {
	case apps+passkeys == 0:
		return because(Fail, "apps-none")
	case apps+passkeys > 1 && passkeys > 0:
		return because(Pass, "authenticators-several", apps+passkeys)
	case apps > 1:
		return because(Pass, "apps-several", apps)
	case passkeys > 0:
		return because(Fail, "passkeys-one")
	}
	return because(Fail, "apps-one")
}

// checkPhishingResistant goes by what is here: no provider says whether it takes what a fake page could pass on.
func checkPhishingResistant(f Facts, _ time.Time) Result {
	switch resistant := f.resistant(); {
	case resistant > 0 && resistant == len(f.Account.Authenticators):
		return because(Pass, "phishing-resisted")
	case resistant > 0:
		return because(Partial, "phishing-partly")
	}
	if delegates(f) != No {
		return because(StateUnknown, "phishing-provider")
	}
	return because(Fail, "phishing-open")
}

func checkPasskeysAlone(f Facts, _ time.Time) Result {
	switch apps, passkeys := f.apps(), f.passkeys(); {
	case passkeys == 0:
		return because(NotApplicable, "passkeys-none")
	case apps == 0:
		return because(NotApplicable, "apps-none")
	default:
		return because(Fail, "passkeys-and-apps", apps)
	}
}

func checkEmail(f Facts, _ time.Time) Result {
	switch f.Host.EmailVerified {
	case Yes:
		return because(Pass, "email-verified")
	case No:
		return because(Fail, "email-unverified")
	}
	return because(StateUnknown, "email-unknown")
}

func checkMethods(f Facts, _ time.Time) Result {
	switch {
	case f.totp() == disabled:
		return because(Fail, "locked-until-unlocked")
	case f.totp() == waiting || f.recoveryCodes() != usable:
		return because(Partial, "locked-for-now")
	}
	return because(Pass, "locked-nothing")
}

// checkRecoveryUse does not end with time: a use that nobody has looked at does not become the owner's by waiting.
func checkRecoveryUse(f Facts, _ time.Time) Result {
	if f.Account.CodeUseUnseen.IsZero() {
		return because(Pass, "code-uses-known")
	}
	return because(Fail, "code-use-unseen")
}

// checkServiceTokens does not end with time either. Where nothing waits there is nothing to ask for, and no credit to lose
// with the last service account.
func checkServiceTokens(f Facts, _ time.Time) Result {
	if f.Account.ServiceUnseen.IsZero() {
		return because(NotApplicable, "services-nothing")
	}
	return because(Fail, "services-unseen")
}

func checkKeys(f Facts, _ time.Time) Result {
	switch {
	case len(f.Account.Authenticators) == 0:
		return because(NotApplicable, "apps-none")
	case f.Account.KeysCurrent:
		return because(Pass, "keys-current")
	}
	return because(Fail, "keys-moving")
}

func checkStrong(f Facts, _ time.Time) Result {
	if len(f.Account.Authenticators) == 0 {
		return because(NotApplicable, "apps-none")
	}
	weak := 0
	for _, a := range f.Account.Authenticators {
		if a.Weak {
			weak++
		}
	}
	switch {
	case weak > 0:
		return because(Fail, "apps-short-key", weak)
	case f.apps() == 0: // not "not applicable": to remove the last app would then take a pass out of the sum
		return because(Pass, "passkeys-strong")
	}
	return because(Pass, "apps-strong")
}

// checkTokensSecondFactor fails also where the second factor is off: to turn it on must not make anything fail. Where
// no token fails there is nothing to ask for, and no credit to lose with the last of them.
func checkTokensSecondFactor(f Facts, _ time.Time) Result {
	if !f.TokensKnown {
		return because(StateUnknown, "tokens-unreadable")
	}
	n := 0
	for _, t := range f.Tokens {
		if !t.SecondFactor {
			n++
		}
	}
	switch provider := delegates(f); {
	case provider == Yes:
		return because(NotApplicable, "provider-asks")
	case n == 0:
		return because(NotApplicable, "tokens-password-none")
	case provider == Unknown:
		return because(StateUnknown, "provider-asks-unknown")
	}
	return because(Fail, "tokens-password", n)
}

// tokenCheck is a control that fails for each token that is bad, for the reason of a code.
func tokenCheck(bad func(t tokens.Info, now time.Time) bool, code string) func(Facts, time.Time) Result {
	return func(f Facts, now time.Time) Result {
		if !f.TokensKnown {
			return because(StateUnknown, "tokens-unreadable")
		}
		if len(f.Tokens) == 0 {
			// Not "not applicable": to revoke the last bad token would then take the passes of the others
			// out of the sum, and lower the score.
			return because(Pass, "tokens-none")
		}
		n := 0
		for _, t := range f.Tokens {
			if bad(t, now) {
				n++
			}
		}
		if n > 0 {
			return because(Fail, code, n)
		}
		return because(Pass, "tokens-fine")
	}
}
