package securitypage

import (
	"cmp"
	"crypto/fips140"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/totp"
)

// pairData is what the first page of pairing shows.
type pairData struct {
	Account gatehouse.Account
	SHA256  bool   // the app has to be one that does more than SHA-1
	Full    bool   // there are as many of the kind as there can be
	OnlyOld bool   // the session is one of a recovery code, which only replaces
	Name    string // as it was typed
	Replace string
	State   string
	Others  []gatehouse.Authenticator // which it can replace
	Other   bool                      // the other kind can be set up instead
}

// pairData returns what the first page of setting up an authenticator shows, of a passkey or an app.
func (c *call) pairData(passkey bool) (pairData, error) {
	a, err := c.account()
	if err != nil {
		return pairData{}, err
	}
	d := pairData{
		Account: a, State: factorState(a), Full: full(a, passkey), Other: c.p.c.Passkeys != nil,
		Name: c.field("name"), Replace: c.field("replace"), SHA256: algorithm() == totp.SHA256,
	}
	if replace := c.r.URL.Query().Get("replace"); replace != "" && c.r.Method != http.MethodPost {
		d.Replace = replace
	}
	if c.who() == signedIn {
		d.OnlyOld, err = c.byRecoveryCode(a)
	}
	d.Others = a.Authenticators
	if d.Full { // one of the other kind would leave as many
		d.Others = ofKind(a.Authenticators, passkey)
	}
	if d.Replace == "" && (d.OnlyOld || d.Full) && len(d.Others) > 0 {
		d.Replace = d.Others[0].ID
	}
	return d, err
}

// full reports whether an account has as many passkeys, or apps, as it can have.
func full(a gatehouse.Account, passkey bool) bool {
	most := maxApps
	if passkey {
		most = maxPasskeys
	}
	return len(ofKind(a.Authenticators, passkey)) >= most
}

// mayPair returns gatehouse.ErrStepUpRequired unless the session's proof is one to pair an authenticator with. While
// somebody is signing in, that is one by an operator's code: the password alone shows nothing of an account.
func (c *call) mayPair() error {
	return c.allowed(func(may gatehouse.Permissions) bool { return may.Replace || may.Enroll })
}

func (c *call) pair() error {
	if err := c.mayPair(); err != nil {
		return err
	}
	d, err := c.pairData(false)
	if err != nil {
		return err
	}
	switch c.notice() {
	case afterTries:
		return c.renderWith(http.StatusOK, "pair", d, map[string]string{"": c.text("pair.tries")})
	case afterElsewhere:
		return c.renderWith(http.StatusOK, "pair", d, map[string]string{"": c.text("pair.elsewhere")})
	}
	return c.render(http.StatusOK, "pair", d)
}

func (c *call) beginPairing() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	typed, replace, err := c.pairForm("pair", false)
	if err != nil {
		return err
	}
	name := cmp.Or(typed, c.text("pair.name.example"))
	own := ownName(name, a)
	suffix := ""
	if len(a.Authenticators) > 0 {
		suffix = " (" + own + ")"
	}
	if replace == "" {
		name = own
	}
	for _, label := range labels(c.s.owner.Label, c.s.in.Account, suffix) {
		_, err = c.owner().BeginEnrollment(c.ctx(), gatehouse.EnrollmentRequest{
			Label: label, Name: name, Replace: replace, Algorithm: algorithm(),
		})
		if !errors.Is(err, totp.ErrLabel) {
			break
		}
	}
	if err != nil {
		return err
	}
	c.redirect(c.p.path + "/pair/scan")
	return nil
}

// pairForm returns what the first page of setting up an authenticator has asked for. Where the name is none it has answered.
func (c *call) pairForm(page string, passkey bool) (name, replace string, err error) {
	name = c.field("name")
	if name == "" || text.IsName(name) {
		return name, c.field("replace"), nil
	}
	d, err := c.pairData(passkey)
	if err == nil {
		err = c.renderWith(http.StatusUnprocessableEntity, page, d, map[string]string{"name": c.wrongName(name)})
	}
	if err == nil {
		err = errAnswered
	}
	return "", "", err
}

// wrongName says what is wrong with a name. How many letters it may have depends on the letters: see text.MaxName.
func (c *call) wrongName(name string) string {
	if name == "" {
		return c.text("wrong.missing")
	}
	return c.text("wrong.name")
}

// ownName returns a name that no authenticator of an account has: the same one, or with a number behind it.
func ownName(name string, a gatehouse.Account) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(a.Authenticators, func(auth gatehouse.Authenticator) bool { return auth.Name == name })
	}
	own := name
	for n := 2; taken(own); n++ {
		number := " " + strconv.Itoa(n)
		own = strings.TrimSpace(strings.ToValidUTF8(name[:min(len(name), text.MaxName-len(number))], "")) + number
	}
	return own
}

// algorithm returns that of new authenticators: SHA-1, which every app has, unless this process may not use it.
func algorithm() totp.Algorithm {
	if fips140.Enforced() {
		return totp.SHA256
	}
	return totp.SHA1
}

// labels are what authenticator apps can be told of an owner, the best first: gatehouse.EnrollmentRequest.Label takes not
// everything that may be in a name. suffix tells the authenticator from the owner's others, as an app may overwrite the
// entry of one with the same label.
func labels(label, account, suffix string) []string {
	const most = 100 // bytes
	out := make([]string, 0, 6)
	for _, suffix := range []string{suffix, ""} {
		for _, label := range []string{label, account, "account"} {
			label = oneLine(label)
			label = strings.TrimSpace(strings.ToValidUTF8(label[:min(len(label), most-len(suffix))], ""))
			out = append(out, oneLine(label+suffix))
		}
		if suffix == "" {
			break
		}
	}
	return out
}

// oneLine returns a text without colons, and without what is no letter or mark but one space.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == ':' || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
