package gatehousetest

import (
	"crypto/fips140"
	"net/http"
	"strings"

	"github.com/gatehouse-go/gatehouse/totp"
)

// The rest of a browser is a person at the Security page.

// SignIn opens the Security page, which leads to the program's sign-in form; fills in the field for a password there
// and the one before it; and sends the form. The page that it leads to asks for a code where the account has a second
// factor: see Answer.
func (b *Browser) SignIn(account, password string) *Page {
	b.t.Helper()
	for _, f := range b.Get(b.site.Security + "/").forms() {
		if name, secret := f.credentials(); secret != "" {
			return b.send(f, name, account, secret, password)
		}
	}
	b.t.Fatalf("gatehousetest: no form for a password on %s", b.page)
	return nil
}

// Answer gives a code, of an app or a recovery code, to the page that the browser shows and that asks for one. It gives
// the password where that is asked for.
func (b *Browser) Answer(code string) *Page {
	b.t.Helper()
	if b.page != nil {
		for _, f := range b.page.forms() {
			for _, name := range []string{"code", "step_up", "step_up_password"} {
				if f.has(name) {
					return b.send(f, name, code)
				}
			}
		}
	}
	b.t.Fatalf("gatehousetest: no code is asked for on %s", b.page)
	return nil
}

// StepUp proves once more who is there, with a code, or with the password where the account has no second factor.
func (b *Browser) StepUp(code string) *Page {
	b.t.Helper()
	b.Get(b.site.Security + "/step-up")
	return b.Answer(code)
}

// Pair pairs an authenticator app, as somebody who is signed in or has answered with an operator's code, and returns it
// with the recovery codes that the page has shown: none unless it is the account's first. The test fails unless it is
// paired: an account with a second factor may have to StepUp before.
func (b *Browser) Pair() (app *Authenticator, recoveryCodes []string) {
	b.t.Helper()
	path := b.site.Security + "/pair"
	b.Get(path)
	p := b.Submit(path)
	secret, err := totp.ParseSecret(p.textOf("secret"))
	if err != nil {
		b.t.Fatalf("gatehousetest: no secret for an authenticator app on %s", p)
	}
	app = &Authenticator{Issuer: b.site.issuer, key: totp.Key{Secret: secret}}
	if fips140.Enforced() { // as the page has it
		app.key.Algorithm = totp.SHA256
	}
	for code := range strings.FieldsSeq(b.Get(path + "/codes").textOf("codes")) {
		if strings.Count(code, "-") == 3 {
			recoveryCodes = append(recoveryCodes, code)
		}
	}
	if len(recoveryCodes) > 0 {
		b.Submit(path+"/codes", "saved", "yes")
	}
	done := b.Submit(path+"/confirm", "code", b.site.Code(app))
	if done.Status != http.StatusOK || !strings.HasPrefix(done.url.Path, path+"/") { // it may have led to the sign-in form
		b.t.Fatalf("gatehousetest: no authenticator app is paired: %s", done)
	}
	return app, recoveryCodes
}

// MintToken mints an access token with a name and scopes, as somebody who is signed in, and returns its text. The test
// fails unless it is minted: StepUp before where the page would ask for a code.
func (b *Browser) MintToken(name string, scopes ...string) string {
	b.t.Helper()
	path := b.site.Security + "/tokens/new"
	b.Get(path)
	fields := []string{"name", name}
	for _, scope := range scopes {
		fields = append(fields, "scope", scope)
	}
	p := b.Submit(path, fields...)
	token := p.textOf("token")
	if token == "" {
		b.t.Fatalf("gatehousetest: no token is minted: %s", p)
	}
	return token
}
