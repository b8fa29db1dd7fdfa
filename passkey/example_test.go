package passkey_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/websession"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// create and get stand for a page: its script gives the options to navigator.credentials, and posts what that has made.
func create(phone *passkeytest.Authenticator, options []byte) []byte {
	response, err := phone.Create(options)
	check(err)
	return response
}

func get(phone *passkeytest.Authenticator, options []byte) []byte {
	response, err := phone.Get(options)
	check(err)
	return response
}

// show shows recovery codes, to be saved before anything is turned on.
func show(recovery.Codes) {}

// services returns the services of a program.
func services() (*gatehouse.Service, *passkey.Service) {
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(),
		Recovery: gatehousetest.CheapRecovery(), // in tests alone
	})
	check(err)
	pk, err := passkey.New(svc, passkey.Config{RPID: "acme.test", Origins: []string{"https://acme.test"}})
	check(err)
	return svc, pk
}

// ada is signed in, and has a passkey.
func ada(svc *gatehouse.Service, pk *passkey.Service) (gatehouse.Session, *passkeytest.Authenticator) {
	ctx, phone := context.Background(), passkeytest.New("https://acme.test")
	session := gatehouse.Session{Account: "user-42", Secret: rand.Text()}
	try, err := svc.Before(ctx, session.Account)
	check(err)
	session.Proof, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd"})
	check(err)
	enr, options, err := pk.BeginRegistration(ctx, session, gatehouse.EnrollmentRequest{Label: "ada@acme.test"})
	check(err)
	session.Proof, err = pk.FinishRegistration(ctx, session, enr.ID, create(phone, options))
	check(err)
	return session, phone
}

// What the host has already.
func user(*http.Request) string                                 { return "" }
func begin(http.ResponseWriter, *http.Request, string) error    { return nil }
func end(http.ResponseWriter, *http.Request) error              { return nil }
func checkPassword(*http.Request, string, string) (bool, error) { return false, nil }

// A web service gives its passkeys to websession and to securitypage.
func Example() {
	svc, _ := services()
	pk, err := passkey.New(svc, passkey.Config{RPID: "acme.test", Origins: []string{"https://acme.test"}})
	check(err)
	web, err := websession.New(websession.Config{Service: svc, User: user, SignIn: begin, SignOut: end, Passkeys: pk})
	check(err)
	page, err := securitypage.New(securitypage.Config{
		Web: web, Passkeys: pk, Password: checkPassword, Links: securitypage.Links{SignIn: "/login", SignOut: "/logout"},
	})
	check(err)
	http.Handle("/settings/security/", web.Middleware(page))
}

// The first factor of an account: somebody has typed the password just now.
func ExampleService_BeginRegistration() {
	svc, pk := services()
	ctx, phone := context.Background(), passkeytest.New("https://acme.test")
	session := gatehouse.Session{Account: "user-42", Secret: rand.Text()}
	try, err := svc.Before(ctx, session.Account)
	check(err)
	session.Proof, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd"})
	check(err)

	enr, options, err := pk.BeginRegistration(ctx, session, gatehouse.EnrollmentRequest{Label: "ada@acme.test", Name: "Phone"})
	check(err)
	show(enr.RecoveryCodes)            // if there are any: they come with the first factor
	response := create(phone, options) // in the browser
	session.Proof, err = pk.FinishRegistration(ctx, session, enr.ID, response)
	check(err) // nothing is on until this succeeds

	account, err := svc.Account(ctx, session.Account)
	check(err)
	fmt.Println(account.Authenticators[0].Name, account.Protected)
	// Output: Phone true
}

// The second step of a sign-in, after the password. Codes are taken by gatehouse.Service.Answer as before.
func ExampleService_AnswerPasskey() {
	svc, pk := services()
	_, phone := ada(svc, pk)
	ctx := context.Background()
	try, err := svc.Before(ctx, "user-42") // before you look at the password
	check(err)
	challenge, err := try.Challenge(ctx) // once it was right
	check(err)

	browser := gatehouse.Session{Secret: rand.Text()} // keep it with the challenge
	options, err := pk.AnswerOptions(ctx, browser, challenge.Token.Reveal())
	check(err)
	response := get(phone, options) // in the browser
	v, err := pk.AnswerPasskey(ctx, browser, challenge.Token.Reveal(), response)
	check(err) // ErrDenied is the one answer to a passkey that is not accepted; other errors are faults
	fmt.Println(v.Session.Account, v.Method)
	// Output: user-42 passkey
}

// Something that needs a fresh proof, inside a session.
func ExampleService_StepUp() {
	svc, pk := services()
	session, phone := ada(svc, pk)
	ctx := context.Background()
	options, err := pk.StepUpOptions(ctx, session)
	check(err)
	v, err := pk.StepUp(ctx, session, get(phone, options))
	check(err)
	info, err := svc.CheckProof(ctx, v.Session, 0)
	check(err)
	fmt.Println(info.PhishingResistant, info.UserVerified)
	// Output: true true
}

// A sign-in without a name and a password. The owner of a passkey that is gone hears of it from the password manager.
func ExampleService_SignIn() {
	svc, pk := services()
	_, phone := ada(svc, pk)
	ctx := context.Background()
	secret := rand.Text() // this browser's, in a cookie that scripts cannot read
	options, err := pk.SignInOptions(ctx, secret)
	check(err)
	response := get(phone, options)
	v, err := pk.SignIn(ctx, gatehouse.Session{Secret: secret}, response)
	if errors.Is(err, gatehouse.ErrDenied) {
		signal, err := pk.UnknownSignal(ctx, response)
		check(err)
		fmt.Printf("show the form again, with %s\n", signal)
		return
	}
	check(err)
	fmt.Println(v.Session.Account) // begin a new session for it, with a new secret
	// Output: user-42
}

// After a passkey was removed, the owner's password manager must not offer it any more.
func ExampleService_Signals() {
	svc, pk := services()
	session, _ := ada(svc, pk)
	ctx := context.Background()
	account, err := svc.Account(ctx, session.Account)
	check(err)
	session.Proof, err = svc.Owner(session).DisableTwoFactor(ctx)
	check(err)
	signal, err := pk.Signals(ctx, session.Account, "ada@acme.test")
	check(err)
	fmt.Println(len(account.Authenticators), len(signal) > 0) // give it to the script of the page
	// Output: 1 true
}

// coseKey is a public key as WebAuthn libraries store it.
var coseKey = []byte("\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20" +
	"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a")

// Passkeys of another library, in a loop over its users. Those whose handle has 32 bytes go on to sign in alone.
func ExampleService_Import() {
	svc, pk := services()
	ctx := context.Background()
	stored := struct{ handle, id, publicKey []byte }{[]byte("42"), []byte{1, 2, 3}, coseKey} // what it has of one user
	result, err := pk.Import(ctx, svc.Operator("migration").Because("ticket 4711"), "user-42", passkey.Import{
		Handle: stored.handle,
		Credentials: []passkey.ImportCredential{{
			ID: stored.id, PublicKey: stored.publicKey, SignCount: 7, FlagsUnknown: true, Transports: []string{"usb"},
		}},
	})
	check(err)
	fmt.Println(result.Credentials[0], result.SignsIn)
	// Output: brought false
}

// A second domain of the same service, whose passkeys are those of the first.
func ExampleService_RelatedOrigins() {
	svc, _ := services()
	pk, err := passkey.New(svc, passkey.Config{
		RPID: "acme.test", Origins: []string{"https://acme.test"}, RelatedOrigins: []string{"https://acme.example"},
	})
	check(err)
	mux := http.NewServeMux() // of acme.test
	mux.Handle("GET /.well-known/webauthn", pk.RelatedOrigins())
}
