package httpguard

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// RequireScope lets a request through whose token allows a scope on a resource, as tokens.Grant.Allows says. resource
// returns what the request is about (see ResourceFunc); nil says that it belongs to no resource. The token
// comes in the Authorization header and nowhere else: in a URL it would get into logs and histories
// (RFC 6750 §5.3).
//
// With Config.BasicPassword it may be the password of Basic credentials. The user name does not count, as the token says
// whose it is; a token in its place is not taken, as logs have user names. A password that does not begin like a token of
// the brand is no token here: a host may have passwords of its own. Browsers send a Basic password by themselves once they
// have it, so such a request is subject to Config.CrossOrigin, where one with a Bearer token is not. Answers of 401 offer
// Basic, so that git asks for it, but not to browsers, which would show a dialog.
//
// A handler that asks for more finds the grant with [Grant].
func (g *Guard) RequireScope(scope tokens.Scope, resource ResourceFunc) func(http.Handler) http.Handler {
	return g.middleware(g.byToken(scope, resource))
}

func (g *Guard) byToken(scope tokens.Scope, resource ResourceFunc) check {
	return func(r *http.Request) (caller, *Problem, error) {
		grant, refused, err := g.grant(r)
		if refused != nil || err != nil {
			return caller{}, refused, err
		}
		if note, ok := r.Context().Value(noteKey{}).(*note); ok {
			note.token = grant.TokenID
		}
		of, err := resource.of(r)
		if errors.Is(err, ErrResource) {
			return caller{}, &Problem{
				Status: http.StatusBadRequest, Code: "invalid_request", Title: "The request does not say what it is about",
			}, nil
		}
		if err != nil {
			return caller{}, nil, err
		}
		if !grant.Allows(scope, of) {
			return caller{}, lacks(grant, scope), nil
		}
		return caller{account: grant.AccountID, grant: &grant}, nil, nil
	}
}

// lacks says which of the two a token lacks. Both are insufficient_scope: RFC 6750 has no other code for it.
func lacks(grant tokens.Grant, scope tokens.Scope) *Problem {
	detail := "It needs the scope " + string(scope) + "."
	if grant.Scopes.Has(scope) {
		detail = "It has the scope " + string(scope) + ", and is restricted to other resources."
	}
	return &Problem{
		Status: http.StatusForbidden, Code: "insufficient_scope", Scope: scope, Title: "The access token does not allow this", Detail: detail,
	}
}

// grant returns what the token of a request may do, or why the request is refused. An error is a fault.
func (g *Guard) grant(r *http.Request) (tokens.Grant, *Problem, error) {
	shown, err := g.shown(r)
	switch {
	case err != nil:
		return tokens.Grant{}, &Problem{Status: http.StatusBadRequest, Code: "invalid_request", Title: "The Authorization header is malformed"}, nil
	case shown.token == "":
		return tokens.Grant{}, &Problem{Status: http.StatusUnauthorized, Title: "An access token is needed", basic: g.offersBasic(r)}, nil
	case g.c.Tokens == nil:
		return tokens.Grant{}, nil, errNoTokens
	}
	if shown.basic {
		if refused := g.foreign(r); refused != nil {
			return tokens.Grant{}, refused, nil
		}
	}
	grant, err := g.c.Tokens.Check(r.Context(), shown.token, g.c.Client(r))
	if errors.Is(err, gatehouse.ErrDenied) {
		return tokens.Grant{}, &Problem{
			Status: http.StatusUnauthorized, Code: "invalid_token", Title: "The access token is not valid", basic: g.offersBasic(r),
		}, nil
	}
	return grant, nil, err
}

// offersBasic reports whether an answer of 401 offers Basic. A browser would show a dialog for it, of its own and not of
// the page's, and keep what is typed there; every browser says by Sec-Fetch-Mode that it is one.
func (g *Guard) offersBasic(r *http.Request) bool {
	return g.c.BasicPassword && r.Header.Get("Sec-Fetch-Mode") == ""
}

var errHeader = errors.New("httpguard: malformed Authorization header")

// credential is what a request shows for a token.
type credential struct {
	token string // "" for none
	basic bool   // it was a Basic password
}

// shown returns the token of a request. Another scheme's credentials are none, and neither is a Basic password that does
// not begin as tokens do.
func (g *Guard) shown(r *http.Request) (credential, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return credential{}, nil
	}
	if len(headers) > 1 {
		return credential{}, errHeader // which of them would be the one?
	}
	// What cannot be read as user and password is no token, for whoever else it may be.
	if _, password, ok := r.BasicAuth(); ok && g.c.BasicPassword && g.brand != "" && strings.HasPrefix(password, g.brand) {
		return credential{password, true}, nil
	}
	end := strings.IndexAny(headers[0], " \t")
	if end < 0 {
		end = len(headers[0])
	}
	if !strings.EqualFold(headers[0][:end], "Bearer") {
		return credential{}, nil
	}
	token := strings.TrimLeft(headers[0][end:], " ")
	if token == "" || strings.ContainsAny(token, " \t,") {
		return credential{}, errHeader
	}
	return credential{token, false}, nil
}
