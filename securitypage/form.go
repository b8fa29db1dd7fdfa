package securitypage

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// sign returns a code that only this session has for these words. It is how forms prove that this page has
// made them for this session, account, path and state, where a browser's headers do not tell.
func (c *call) sign(words ...string) string {
	mac := hmac.New(sha256.New, []byte(c.s.in.Secret))
	// No word has a NUL in it: IDs, paths and keys cannot.
	mac.Write([]byte(strings.Join(append([]string{"securitypage", c.s.in.Account}, words...), "\x00")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:signed*3/4])
}

const signed = 24 // characters of a code, of 144 bits

func (c *call) verify(code string, words ...string) bool {
	return hmac.Equal([]byte(code), []byte(c.sign(words...)))
}

// formIsCurrent reports whether a form is one of this session's, made for the state that is there.
func (c *call) formIsCurrent(rt route) (bool, error) {
	state := ""
	if rt.state != nil {
		var err error
		if state, err = rt.state(c); err != nil {
			return false, err
		}
	}
	return c.verify(c.r.PostForm.Get("form"), "form", c.r.URL.Path, state), nil
}

// digest returns a state as one word.
func digest(parts []string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return string(base64.RawURLEncoding.EncodeToString(sum[:16]))
}

// factors is the state of forms that change factors: which there are.
func (c *call) factors() (string, error) {
	a, err := c.account()
	if err != nil {
		return "", err
	}
	return factorState(a), nil
}

func factorState(a gatehouse.Account) string {
	parts := []string{a.RecoveryCodes.ID, ""}
	if a.Pending != nil {
		parts[1] = a.Pending.ID
	}
	for _, auth := range a.Authenticators {
		parts = append(parts, auth.ID, auth.Name)
	}
	return digest(parts)
}

// tokenList is the state of forms that change the list of tokens.
func (c *call) tokenList() (string, error) {
	list, err := c.allTokens()
	if err != nil {
		return "", err
	}
	return tokenListState(list), nil
}

// liveList is the state of the form that ends all tokens: which there are. A thief who rotates one again and again must
// not keep its owner from ending it.
func (c *call) liveList() (string, error) {
	list, err := c.liveTokens()
	if err != nil {
		return "", err
	}
	return liveListState(list), nil
}

func liveListState(list []tokens.Info) string {
	var parts []string
	for _, t := range list {
		parts = append(parts, t.ID)
	}
	return digest(parts)
}

func tokenListState(list []tokens.Info) string {
	var parts []string
	for _, t := range list {
		parts = append(parts, tokenStateOf(t))
	}
	return digest(parts)
}

// tokenState is the state of forms that change one token.
func (c *call) tokenState() (string, error) {
	var err error
	if c.seen, err = c.findToken(c.r.PathValue("id")); err != nil {
		return "", err
	}
	return tokenStateOf(c.seen), nil
}

// revocation is the state of the form that ends one token: that it has not been ended, however often it was rotated.
func (c *call) revocation() (string, error) {
	t, err := c.findToken(c.r.PathValue("id"))
	return revocationOf(t), err
}

func revocationOf(t tokens.Info) string {
	return digest([]string{t.ID, t.Revoked.Format(time.RFC3339)})
}

func tokenStateOf(t tokens.Info) string {
	return digest([]string{t.ID, t.Expires.Format(time.RFC3339), t.Revoked.Format(time.RFC3339), strconv.Itoa(t.Rotations)})
}

// next is the state of the step-up form: where it leads.
func (c *call) next() (string, error) {
	with := c.r.PostForm.Get("with")
	c.recovery, c.changes = strings.Contains(with, "recovery"), strings.Contains(with, "passkey")
	return digest([]string{c.r.PostForm.Get("next"), with}), nil
}
