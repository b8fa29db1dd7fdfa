package totp

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pquerna/otp"
)

const maxLabel = 100 // bytes of an issuer or an account; keeps the QR picture scannable

// URI returns the key for an authenticator app, in the Key URI format:
//
//	otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=ISSUER&algorithm=SHA1&digits=6&period=30
//
// It contains the secret. The issuer is the service's name, the account what the owner knows it by.
// Each is 1 to 100 bytes of UTF-8 without ':' (it separates the two), without control, format,
// bidirectional, line-breaking or invisible characters, without "secret=" in any case or percent
// encoding, and neither begins nor ends with a space; otherwise ErrLabel. The joiners of some emoji
// and scripts are format characters and are refused too.
func (k Key) URI(issuer, account string) (string, error) {
	if err := k.Check(); err != nil {
		return "", err
	}
	if k.Weak {
		return "", fmt.Errorf("%w: no app is given a weak one", ErrSecret)
	}
	if err := checkLabel("issuer", issuer); err != nil {
		return "", err
	}
	if err := checkLabel("account", account); err != nil {
		return "", err
	}
	// pquerna/otp could write the URI, but it escapes the values of the query with url.PathEscape,
	// which leaves '&', '=' and '+' as they are: the issuer "Acme&secret=AAAA…" then adds a second
	// secret, and one that an attacker knows comes first. So each part is escaped here, and read
	// back.
	uri := "otpauth://totp/" + escape(issuer) + ":" + escape(account) +
		"?secret=" + k.Secret.Reveal() +
		"&issuer=" + escape(issuer) +
		"&algorithm=" + k.Algorithm.String() +
		"&digits=" + strconv.Itoa(k.digits()) +
		"&period=" + strconv.Itoa(int(Period.Seconds()))
	if !k.readsBack(uri, issuer, account) {
		return "", fmt.Errorf("%w: they do not survive the URI", ErrLabel)
	}
	return uri, nil
}

// escape leaves only the unreserved characters of RFC 3986 §2.3. A '+' stands for a space to some
// readers of a query and for itself to others, so neither a space nor a plus is written as one.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

var (
	injection = regexp.MustCompile(`(?i)secret=`)
	escaped   = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
)

// injects reports whether a reader that decodes before it splits, however often, could find a secret
// in s. Each round shortens s, so there are at most 50.
func injects(s string) bool {
	for !injection.MatchString(s) {
		decoded := escaped.ReplaceAllStringFunc(s, func(e string) string {
			b, _ := hex.DecodeString(e[1:])
			return string(b)
		})
		if decoded == s {
			return false
		}
		s = decoded
	}
	return true
}

func checkLabel(name, s string) error {
	var reason string
	switch {
	case len(s) > maxLabel: // first, so that nothing reads a huge one to its end
		reason = fmt.Sprintf("is longer than %d bytes", maxLabel)
	case s == "":
		reason = "is empty"
	case !utf8.ValidString(s):
		reason = "is not UTF-8"
	case strings.TrimSpace(s) != s: // two names would look like one in the app's list
		reason = "begins or ends with a space"
	case strings.Contains(s, ":"): // whoever picks the account would pick what the app shows as the issuer
		reason = "contains a colon"
	case strings.ContainsFunc(s, unprintable): // right-to-left overrides make one name look like another
		reason = "contains a control, format, line-breaking or invisible character"
	case injects(s):
		reason = "contains a secret parameter"
	default:
		return nil
	}
	return fmt.Errorf("%w: the %s %s", ErrLabel, name, reason)
}

func unprintable(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// readsBack reports whether a reader other than the writer finds in uri what was meant: this key and
// these labels, both issuers equal, and every parameter exactly once.
func (k Key) readsBack(uri, issuer, account string) bool {
	read, err := otp.NewKeyFromURL(uri)
	if err != nil {
		return false
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Path != "/"+issuer+":"+account || u.Fragment != "" {
		return false
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(query) != 5 {
		return false
	}
	for _, name := range []string{"secret", "issuer", "algorithm", "digits", "period"} {
		if len(query[name]) != 1 {
			return false
		}
	}
	return read.Type() == "totp" &&
		read.Secret() == k.Secret.Reveal() &&
		read.Issuer() == issuer &&
		read.AccountName() == account &&
		read.Algorithm().String() == k.Algorithm.String() &&
		read.Digits().Length() == k.digits() &&
		read.Period() == uint64(Period.Seconds())
}
