package gatehousetest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

// codeHandler is the handler under test: the second page of a sign-in.
func codeHandler(svc *gatehouse.Service) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("challenge")
		if err != nil {
			http.Error(w, "start over", http.StatusUnauthorized)
			return
		}
		session := gatehouse.Session{Secret: rand.Text()} // the one that a right code begins
		v, err := svc.Answer(r.Context(), session, cookie.Value, strings.TrimSpace(r.PostFormValue("code")))
		switch {
		case err == nil:
			fmt.Fprintf(w, "hello %s", v.Session.Account)
		case errors.Is(err, gatehouse.ErrDenied):
			http.Error(w, "wrong code", http.StatusUnauthorized)
		default:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		}
	}
}

// The test of a sign-in handler: a right code, the same one again, and a store that fails.
func Example() {
	t := &testing.T{} // in a test, its own
	svc := gatehousetest.New(t)
	ada := svc.Enroll(t, "user-42")
	handler := codeHandler(svc.Service)

	post := func(code string) {
		ch := svc.Challenge(t, "user-42")
		form := url.Values{"code": {code}}.Encode()
		r := httptest.NewRequest("POST", "/code", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "challenge", Value: ch.Token.Reveal()})
		w := httptest.NewRecorder()
		handler(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}

	svc.Events.Take() // those of the enrollment
	code := ada.Code()
	post(" " + code + " ")
	post(code)
	post(ada.RecoveryCodes[0].Reveal())
	svc.Store.Inject(gatehousetest.On("SaveAccount", gatehousetest.Fail))
	post(ada.Code())

	for _, e := range svc.Events.Take() {
		fmt.Println(strings.TrimSpace(string(e.Kind) + " " + e.Why))
	}
	// Output:
	// 200 hello user-42
	// 401 wrong code
	// 200 hello user-42
	// 503 try again later
	// code.accepted
	// code.denied replayed
	// code.accepted
	// recovery_code.used
}

func ExampleScan() {
	app, err := gatehousetest.Scan("otpauth://totp/Acme:ada%40acme.test?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme&algorithm=SHA1&digits=6&period=30")
	fmt.Println(app.Issuer, app.Label, app.Code(gatehousetest.Start), err)
	// Output: Acme ada@acme.test 429219 <nil>
}

func ExampleStore_Inject() {
	store := gatehousetest.NewStore(memory.New())
	store.Inject(gatehousetest.Nth(2, gatehousetest.Fail))
	for range 3 {
		_, err := store.Accounts(context.Background(), "", 1)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// gatehousetest: injected fault
	// <nil>
}
