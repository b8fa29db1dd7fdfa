package passkeytest_test

import (
	"fmt"
	"log"

	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

// A page on another site has the person sign a challenge of yours. Your handler must deny it.
func Example() {
	phone := passkeytest.New("https://acme.test")
	creation := []byte(`{"publicKey":{"rp":{"id":"acme.test","name":"Acme"},"user":{"id":"AQ","name":"ada","displayName":"Ada"},
		"challenge":"AQID","pubKeyCredParams":[{"type":"public-key","alg":-7}]}}`) // by passkey.Service.BeginRegistration
	if _, err := phone.Create(creation); err != nil { // for FinishRegistration
		log.Fatal(err)
	}

	request := []byte(`{"publicKey":{"rpId":"acme.test","challenge":"BAUG"}}`) // by SignInOptions, for example
	phone.Tamper = passkeytest.WrongOrigin
	response, err := phone.Get(request) // for SignIn, which must answer gatehouse.ErrDenied
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(response) > 0, len(phone.Passkeys()))
	// Output: true 1
}
