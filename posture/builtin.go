package posture

import (
	"fmt"
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
			ID: SecondFactor, Title: "Two-factor sign-in", Question: "Does signing in take more than the password?",
			Severity: Critical, Standards: []string{"NIST SP 800-63B-4 §2.2", "OWASP ASVS 5.0 6.3.3"}, Impact: Some, Effort: Some,
			Fix:   Remediation{Text: "Pair an authenticator app.", StepUp: true},
			Reads: HostEvidence, Check: checkSecondFactor, delegable: true,
		},
		{
			ID: RecoveryCodesExist, Title: "Recovery codes", Question: "Is there a way back in without the phone?",
			Severity: High, Standards: []string{"NIST SP 800-63B-4 §4.2"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Make recovery codes.", StepUp: true},
			Reads: HostEvidence, Check: checkRecoveryCodes, delegable: true,
		},
		{
			ID: RecoveryCodesSaved, Title: "Recovery codes saved", Question: "Has the owner said that the codes are saved?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §4.2.1.1"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Save the recovery codes, and say so. If they are lost, make new ones."},
			Reads: HostEvidence, Check: checkCodesSaved, delegable: true,
		},
		{
			ID: RecoveryCodesLeft, Title: "Enough recovery codes", Question: "Are at least three codes unused?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §4.2.1.1"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Make new recovery codes.", StepUp: true},
			Reads: HostEvidence, Check: checkCodesLeft, delegable: true,
		},
		{
			ID: SecondAuthenticator, Title: "A second authenticator", Question: "Does losing one device leave another?",
			Severity: Low, Standards: []string{"NIST SP 800-63B-4 §4.1.2.1"}, Impact: Little, Effort: Some,
			Fix:   Remediation{Text: "Pair an authenticator app on another device.", StepUp: true},
			Reads: HostEvidence, Check: checkSecondAuthenticator, delegable: true,
		},
		{
			ID: PhishingResistant, Title: "Phishing-resistant sign-in", Question: "Would a false page learn nothing of use?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §3.2.5"}, Impact: Some, Effort: Much,
			Fix:   Remediation{Text: "Add a passkey or a security key.", StepUp: true},
			Reads: AccountEvidence, Check: checkPhishingResistant,
		},
		{
			ID: EmailVerified, Title: "Verified e-mail", Question: "Do messages about the account reach its owner?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 6.3.7"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Verify the e-mail address."},
			Reads: HostEvidence, Check: checkEmail,
		},
		{
			ID: MethodsOpen, Title: "No locked method", Question: "Can every method be used now?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §3.2.2"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Somebody has given wrong codes. If it was not you, change the password, then unlock the method.", StepUp: true},
			Reads: AccountEvidence, Check: checkMethods,
		},
		{
			ID: RecoveryUseSeen, Title: "Use of recovery codes looked at", Question: "Was each use of a recovery code the owner's?",
			Severity: High, Standards: []string{"NIST SP 800-63B-4 §4.6"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Look at the recent activity, and say that it was you. If it was not, make new recovery codes."},
			Reads: AccountEvidence, Check: checkRecoveryUse,
		},
		{
			// Medium, and so without a cap: at sign-in the throttle bounds guesses whatever the secret. Short of
			// what the standard asks for is only the work of who has seen codes and searches for their secret.
			ID: AuthenticatorsStrong, Title: "No weak authenticator", Question: "Has every authenticator a secret of at least 128 bits?",
			Severity: Medium, Standards: []string{"RFC 4226 §4"}, Impact: Little, Effort: Some,
			Fix:   Remediation{Text: "Pair the authenticator app again, in the place of the weak one.", StepUp: true},
			Reads: AccountEvidence, Check: checkStrong,
		},
		{
			ID: TokensExpire, Title: "Tokens expire", Question: "Does every access token end by itself?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 10.4.8"}, Impact: Some, Effort: Some,
			Fix:   Remediation{Text: "Replace tokens that never expire."},
			Reads: TokenEvidence, Check: tokenCheck(func(t tokens.Info, _ time.Time) bool { return t.Expires.IsZero() }, "never expire"),
		},
		{
			ID: TokensSecondFactor, Title: "No token by password alone", Question: "Did it take the second factor to make every access token?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 6.3.4"}, Impact: Some, Effort: Some,
			Fix:   Remediation{Text: "Rotate the tokens that were made by the password alone, once two-factor sign-in is on, or revoke them.", StepUp: true},
			Reads: HostEvidence | TokenEvidence, Check: checkTokensSecondFactor, delegable: true,
		},
		{
			ID: ServiceTokensSeen, Title: "Service accounts looked at", Question: "Has the owner looked at every token that was made for a service account?",
			Severity: Medium, Standards: []string{"NIST SP 800-63B-4 §4.6"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Look at the recent activity. If you do not know a service account or a token of it, ask support to revoke it."},
			Reads: AccountEvidence, Check: checkServiceTokens,
		},
		{
			ID: TokensUsed, Title: "No forgotten tokens", Question: "Was every access token used in the last 90 days?",
			Severity: Low, Standards: []string{"OWASP ASVS 5.0 7.4.1"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "Revoke tokens that nothing uses any more."},
			Reads: TokenEvidence, Check: tokenCheck(func(t tokens.Info, now time.Time) bool {
				last := t.LastUsed
				if last.Before(t.Created) {
					last = t.Created
				}
				return now.Sub(last) > unusedFor
			}, "were not used for 90 days"),
		},
		{
			ID: TokensNarrow, Title: "Narrow tokens", Question: "Does every access token use what it may do?",
			Severity: Medium, Standards: []string{"OWASP ASVS 5.0 10.3.2"}, Impact: Some, Effort: Some,
			Fix:   Remediation{Text: "Replace tokens by ones with fewer scopes.", StepUp: true},
			Reads: TokenEvidence, Check: tokenCheck(func(t tokens.Info, now time.Time) bool {
				return len(t.Unused) > 0 && now.Sub(t.Created) > broadAfter
			}, "may do more than they have ever done"),
		},
		{
			ID: TokensNotExpiring, Title: "No token about to expire", Question: "Will every access token work next week?",
			Severity: Low, Impact: Little, Effort: Some,
			Fix:   Remediation{Text: "Rotate tokens before they expire.", StepUp: true},
			Reads: TokenEvidence, Check: tokenCheck(func(t tokens.Info, now time.Time) bool {
				return !t.Expires.IsZero() && t.Expires.Sub(now) < expiringSoon
			}, "expire within 7 days"),
		},
		{
			ID: KeysCurrent, Title: "Secrets under the current key", Question: "Is every secret sealed under the primary key?",
			Severity: Low, Standards: []string{"OWASP ASVS 5.0 11.2.2"}, Impact: Little, Effort: Little,
			Fix:   Remediation{Text: "The service moves secrets to its new key by itself; nothing is to be done by the owner."},
			Reads: AccountEvidence, Check: checkKeys,
		},
	}
}

func checkSecondFactor(f Facts, _ time.Time) Result {
	switch delegates(f) {
	case Yes:
		return Result{Delegated, "The identity provider asks for a second factor."}
	case Unknown:
		if f.Host.Delegated == nil {
			return Result{StateUnknown, "It is not known who signs the owner in."}
		}
		return Result{StateUnknown, "The identity provider does not say whether it asks for a second factor."}
	}
	switch {
	case len(f.Account.Authenticators) > 0:
		return Result{Pass, "An authenticator is paired."}
	case f.Account.Reset != nil:
		return Result{Fail, "Support has removed the factors, or none could be taken over: an authenticator has to be paired anew."}
	}
	return Result{Fail, "The password alone signs in."}
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
		return Result{Delegated, "The identity provider looks after it."}, true
	case Unknown:
		return Result{StateUnknown, "It is not known whether an identity provider looks after it."}, true
	}
	return Result{}, false
}

func checkRecoveryCodes(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch {
	case len(f.Account.Authenticators) == 0:
		return Result{Fail, "There are none before an authenticator is paired."}
	case f.Account.RecoveryCodes.Left == 0:
		return Result{Fail, "There is no unused recovery code."}
	}
	return Result{Pass, fmt.Sprintf("%d of %d codes are unused.", f.Account.RecoveryCodes.Left, f.Account.RecoveryCodes.Total)}
}

func checkCodesSaved(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch {
	case f.Account.RecoveryCodes.Total == 0:
		return Result{Fail, "There are no recovery codes."}
	case f.Account.RecoveryCodes.Acknowledged.IsZero():
		return Result{Fail, "Nobody has said that the codes are saved."}
	}
	return Result{Pass, "The owner has said that the codes are saved."}
}

func checkCodesLeft(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch left := f.Account.RecoveryCodes.Left; {
	case left >= fewCodes:
		return Result{Pass, fmt.Sprintf("%d codes are unused.", left)}
	case left > 0:
		return Result{Partial, fmt.Sprintf("Only %d unused, of %d.", left, f.Account.RecoveryCodes.Total)}
	}
	return Result{Fail, "There is no unused recovery code."}
}

func checkSecondAuthenticator(f Facts, _ time.Time) Result {
	if r, ok := delegated(f); ok {
		return r
	}
	switch len(f.Account.Authenticators) {
	case 0:
		return Result{Fail, "There is no authenticator."}
	case 1:
		return Result{Fail, "There is one authenticator."}
	}
	return Result{Pass, fmt.Sprintf("There are %d authenticators.", len(f.Account.Authenticators))}
}

func checkPhishingResistant(f Facts, _ time.Time) Result {
	resistant := 0
	for _, a := range f.Account.Authenticators {
		if a.PhishingResistant {
			resistant++
		}
	}
	switch {
	case resistant > 0 && resistant == len(f.Account.Authenticators):
		return Result{Pass, "Every authenticator resists phishing."}
	case resistant > 0:
		return Result{Partial, "One that does not resist phishing can be used as well."}
	}
	return Result{Fail, "A one-time code can be passed on by a false page."}
}

func checkEmail(f Facts, _ time.Time) Result {
	switch f.Host.EmailVerified {
	case Yes:
		return Result{Pass, "The e-mail address is verified."}
	case No:
		return Result{Fail, "The e-mail address is not verified."}
	}
	return Result{StateUnknown, "It is not known whether the e-mail address is verified."}
}

func checkMethods(f Facts, _ time.Time) Result {
	switch {
	case f.totp() == disabled:
		return Result{Fail, "Codes of authenticators are refused until they are unlocked."}
	case f.totp() == waiting || f.recoveryCodes() != usable:
		return Result{Partial, "A method is locked for a while, after wrong codes."}
	}
	return Result{Pass, "No method is locked."}
}

// checkRecoveryUse does not end with time: a use that nobody has looked at does not become the owner's by waiting.
func checkRecoveryUse(f Facts, _ time.Time) Result {
	if f.Account.CodeUseUnseen.IsZero() {
		return Result{Pass, "The owner has looked at every use of a recovery code."}
	}
	return Result{Fail, "A recovery code was used, and nobody has said that it was the owner."}
}

// checkServiceTokens does not end with time either. Where nothing waits there is nothing to ask for, and no credit to lose
// with the last service account.
func checkServiceTokens(f Facts, _ time.Time) Result {
	if f.Account.ServiceUnseen.IsZero() {
		return Result{NotApplicable, "No service account or token of one waits to be looked at."}
	}
	return Result{Fail, "A service account or a token of one was made by an operator, and its owner has not looked at it."}
}

func checkKeys(f Facts, _ time.Time) Result {
	switch {
	case len(f.Account.Authenticators) == 0:
		return Result{NotApplicable, "There is no secret."}
	case f.Account.KeysCurrent:
		return Result{Pass, "Every secret is sealed under the primary key."}
	}
	return Result{Fail, "A secret is sealed under an older key."}
}

func checkStrong(f Facts, _ time.Time) Result {
	if len(f.Account.Authenticators) == 0 {
		return Result{NotApplicable, "There is no secret."}
	}
	weak := 0
	for _, a := range f.Account.Authenticators {
		if a.Weak {
			weak++
		}
	}
	if weak > 0 {
		return Result{Fail, fmt.Sprintf("%d of %d authenticators came from another system with a short secret.", weak, len(f.Account.Authenticators))}
	}
	return Result{Pass, "Every secret has at least 128 bits."}
}

// checkTokensSecondFactor fails also where the second factor is off: to turn it on must not make anything fail. Where
// no token fails there is nothing to ask for, and no credit to lose with the last of them.
func checkTokensSecondFactor(f Facts, _ time.Time) Result {
	if !f.TokensKnown {
		return Result{StateUnknown, "The access tokens are not known."}
	}
	n := 0
	for _, t := range f.Tokens {
		if !t.SecondFactor {
			n++
		}
	}
	switch provider := delegates(f); {
	case provider == Yes:
		return Result{NotApplicable, "The identity provider asks for the second factor."}
	case n == 0:
		return Result{NotApplicable, "No access token was made by the password alone."}
	case provider == Unknown:
		return Result{StateUnknown, "It is not known whether an identity provider asks for the second factor."}
	}
	return Result{Fail, fmt.Sprintf("%d of %d tokens were made by the password alone.", n, len(f.Tokens))}
}

// tokenCheck is a control that fails for each token that is bad.
func tokenCheck(bad func(t tokens.Info, now time.Time) bool, what string) func(Facts, time.Time) Result {
	return func(f Facts, now time.Time) Result {
		if !f.TokensKnown {
			return Result{StateUnknown, "The access tokens are not known."}
		}
		if len(f.Tokens) == 0 {
			// Not "not applicable": to revoke the last bad token would then take the passes of the others
			// out of the sum, and lower the score.
			return Result{Pass, "There are no access tokens."}
		}
		n := 0
		for _, t := range f.Tokens {
			if bad(t, now) {
				n++
			}
		}
		if n > 0 {
			return Result{Fail, fmt.Sprintf("%d of %d tokens %s.", n, len(f.Tokens), what)}
		}
		return Result{Pass, "None of the access tokens is like that."}
	}
}
