package posture

import (
	"maps"
	"strconv"
	"strings"
)

// reasons are the sentences of the built-in controls by the codes of Result. One that counts has a form for one, "#one", and
// another, "#other".
var reasons = map[string]string{
	"unchecked":       "We could not check this.",
	"plan-unknown":    "We do not know your plan.",
	"plan":            "Available with: {plan}.",
	"not-offered":     "This service does not offer it yet.",
	"service-account": "Nobody signs in to a service account.",

	"signer-unknown":               "We do not know who signs you in.",
	"provider-asks":                "Your identity provider asks for a second factor.",
	"provider-silent":              "Your identity provider does not say whether it asks for a second factor.",
	"provider-looks-after":         "Your identity provider looks after this.",
	"provider-unknown":             "We do not know whether an identity provider looks after this.",
	"provider-asks-unknown":        "We do not know whether an identity provider asks you for a second factor.",
	"password-and-app":             "Signing in takes your password and a code from your authenticator app.",
	"password-and-passkey":         "Signing in takes your passkey. Your password alone is not enough.",
	"password-and-either":          "Signing in takes your passkey, or your password and a code from your authenticator app.",
	"password-alone":               "Anyone who learns your password can sign in as you.",
	"apps-removed":                 "Support removed your authenticator apps, or they could not be moved here. Pair one again.",
	"apps-none":                    "You have no authenticator app.",
	"apps-one":                     "You have one authenticator app. If you lose it, you need a recovery code.",
	"apps-several#one":             "You have {n} authenticator app.",
	"apps-several#other":           "You have {n} authenticator apps.",
	"passkeys-none":                "You have no passkey.",
	"passkeys-one":                 "You have one passkey. If you lose it, you need a recovery code.",
	"passkeys-strong":              "Passkeys have strong keys.",
	"passkeys-and-apps#one":        "{n} authenticator app is on as well. You can remove it once you have two passkeys.",
	"passkeys-and-apps#other":      "{n} authenticator apps are on as well. You can remove them once you have two passkeys.",
	"authenticators-several#one":   "You have {n} authenticator app or passkey.",
	"authenticators-several#other": "You have {n} authenticator apps and passkeys.",
	"apps-short-key#one":           "{n} authenticator came from another system with a short key.",
	"apps-short-key#other":         "{n} authenticators came from another system with a short key.",
	"apps-strong":                  "Every key has at least 128 bits.",
	"phishing-resisted":            "Everything that you sign in with resists phishing.",
	"phishing-partly":              "You can also sign in with something that does not resist phishing.",
	"phishing-provider":            "We do not know whether your identity provider resists phishing.",
	"phishing-required":            "Your account must sign in with passkeys only.",
	"phishing-open":                "A fake sign-in page can pass on the code that you type.",
	"codes-with-app":               "You get them when you turn on two-factor sign-in.",
	"codes-none":                   "You have no recovery codes.",
	"codes-used-up":                "You have no unused recovery code.",
	"codes-left#one":               "{n} of {of} recovery codes is left.",
	"codes-left#other":             "{n} of {of} recovery codes are left.",
	"codes-few#one":                "Only {n} of {of} recovery codes is left.",
	"codes-few#other":              "Only {n} of {of} recovery codes are left.",
	"codes-saved":                  "You confirmed that you saved them.",
	"codes-unsaved":                "You have not confirmed that you saved them.",
	"code-uses-known":              "No recovery code was used without your knowing.",
	"code-use-unseen":              "You have not confirmed that it was you.",
	"email-verified":               "We can reach you at your email address.",
	"email-unverified":             "We do not know whether our messages reach you.",
	"email-unknown":                "We do not know whether your email address is verified.",
	"locked-until-unlocked":        "Codes from your authenticator apps do not work until you unlock them.",
	"locked-for-now":               "Too many wrong codes were entered. It unlocks by itself after a while.",
	"locked-nothing":               "Nothing is locked.",
	"services-nothing":             "There is nothing to check.",
	"services-unseen":              "Support created a service account, or a token for one, that counts as yours. You have not looked at it yet.",
	"keys-current":                 "All of your secrets are stored with the newest key.",
	"keys-moving":                  "The service moves it to the newest key by itself.",
	"tokens-unreadable":            "We cannot read your access tokens right now.",
	"tokens-none":                  "You have no access tokens.",
	"tokens-fine":                  "All of your access tokens are fine.",
	"tokens-password-none":         "You have no access token that was created with the password alone.",
	"tokens-password#one":          "{n} token was created with the password alone.",
	"tokens-password#other":        "{n} tokens were created with the password alone.",
	"tokens-endless#one":           "{n} token never expires.",
	"tokens-endless#other":         "{n} tokens never expire.",
	"tokens-unused#one":            "{n} token was not used for 90 days.",
	"tokens-unused#other":          "{n} tokens were not used for 90 days.",
	"tokens-broad#one":             "{n} token may do more than it has ever done.",
	"tokens-broad#other":           "{n} tokens may do more than they have ever done.",
	"tokens-expiring#one":          "{n} token expires within 7 days.",
	"tokens-expiring#other":        "{n} tokens expire within 7 days.",
}

// Texts returns the English texts of the built-in controls, for translations: "control.ID" (its title where it passes),
// "control.ID.failing", "control.ID.question", "control.ID.todo" and "control.ID.fix" (how to fix it), and "reason.CODE" with
// the codes of Finding. A text that counts has one form for each plural ("reason.CODE#one", "reason.CODE#other"), and
// names in braces for what Finding has: {n}, {of} and {plan}.
func Texts() map[string]string {
	return maps.Clone(texts)
}

var texts = func() map[string]string {
	out := map[string]string{}
	for code, text := range reasons {
		out["reason."+code] = text
	}
	for _, c := range builtin() {
		key := "control." + c.ID
		out[key], out[key+".failing"], out[key+".question"] = c.Title, c.Failing, c.Question
		out[key+".todo"], out[key+".fix"] = c.Fix.Title, c.Fix.Text
	}
	return out
}()

// because is a result with the sentence of a code, which may have numbers in it: n, and then of how many.
func because(state State, code string, numbers ...int) Result {
	r := Result{State: state, Code: code}
	if len(numbers) == 0 {
		r.Reason = reasons[code]
		return r
	}
	r.N = numbers[0]
	form := "#other"
	if r.N == 1 {
		form = "#one"
	}
	r.Reason = strings.ReplaceAll(reasons[code+form], "{n}", strconv.Itoa(r.N))
	if len(numbers) > 1 {
		r.Of = numbers[1]
		r.Reason = strings.ReplaceAll(r.Reason, "{of}", strconv.Itoa(r.Of))
	}
	return r
}
