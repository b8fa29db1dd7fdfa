package engine

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

const (
	browserSecrets = 5 // that one browser keeps: each account knows it by one of its own
	between        = "."

	secretSize = 26 // of rand.Text
	base32     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// BrowserDigests is what an account compares of the secrets that a browser keeps, one digest after the other; nil for none.
// Those of two accounts cannot be told to be of one browser. What comes after the last secret that is looked at counts for
// nothing.
func BrowserDigests(account, browser string) (digests []byte) {
	for _, secret := range secretsOf(browser) {
		sum := sha256.Sum256([]byte(secret))
		sum = sha256.Sum256(append(sum[:], account...))
		digests = append(digests, sum[:core.DigestSize]...)
	}
	return digests
}

// NewBrowserDigest is that of one secret, nil for several or none: otherwise what is before the first dot would be known,
// which may be the same for everybody.
func NewBrowserDigest(account, secret string) []byte {
	if strings.Contains(secret, between) {
		return nil
	}
	return BrowserDigests(account, secret)
}

// KeptBrowser returns what a browser keeps from now on that had a part in an outcome.
func KeptBrowser(out core.Outcome, browser, fresh string) string {
	if out.NewBrowser {
		return WithBrowser(browser, fresh)
	}
	return browser
}

// WithBrowser returns what a browser keeps that has got a new secret.
func WithBrowser(browser, secret string) string {
	secrets := append([]string{secret}, secretsOf(browser)...)
	return strings.Join(secrets[:min(len(secrets), browserSecrets)], between)
}

// WithoutBrowsers returns what a browser keeps without the secrets that go.
func WithoutBrowsers(browser string, goes func(secret string) bool) string {
	return strings.Join(slices.DeleteFunc(secretsOf(browser), goes), between)
}

func secretsOf(browser string) []string {
	secrets := strings.SplitN(browser, between, browserSecrets+1)
	secrets = secrets[:min(len(secrets), browserSecrets)]
	return slices.DeleteFunc(secrets, func(s string) bool { return s == "" })
}

// IsBrowser reports whether a text is what WithBrowser makes of secrets of rand.Text.
func IsBrowser(text string) bool {
	if len(text) > browserSecrets*(secretSize+len(between)) {
		return false
	}
	secrets := strings.Split(text, between)
	return len(secrets) <= browserSecrets && !slices.ContainsFunc(secrets, func(s string) bool {
		return len(s) != secretSize || strings.Trim(s, base32) != ""
	})
}
