package migrate

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/totp"
)

// unknown stands for an algorithm that Gatehouse does not have. The authenticator is left out as "bad_parameters".
const unknown = ^totp.Algorithm(0)

// FromPquerna reads what programs on github.com/pquerna/otp keep of an account: key.Secret(), or key.URL().
func FromPquerna(text string) gatehouse.Import {
	phone := gatehouse.ImportAuthenticator{Name: "Phone"}
	if strings.HasPrefix(text, "otpauth:") {
		phone = fromKeyURL(text)
	} else {
		phone.Secret, _, _ = totp.ParseImported(text)
	}
	return closing(gatehouse.Import{Authenticators: []gatehouse.ImportAuthenticator{phone}})
}

// fromKeyURL reads a key URL. What it cannot read leaves the zero Secret, and so is left out as "bad_secret".
func fromKeyURL(text string) gatehouse.ImportAuthenticator {
	phone := gatehouse.ImportAuthenticator{Name: "Phone"}
	u, err := url.Parse(text)
	if err != nil || u.Host != "totp" { // hotp counts codes, and knows no time
		return phone
	}
	q := u.Query()
	digits, period := 6, 30
	if s := q.Get("digits"); s != "" {
		digits, err = strconv.Atoi(s)
	}
	if s := q.Get("period"); s != "" && err == nil {
		period, err = strconv.Atoi(s)
	}
	if err != nil {
		return phone
	}
	phone.Secret, _, _ = totp.ParseImported(q.Get("secret"))
	phone.Digits, phone.Period = digits, time.Duration(period)*time.Second
	if s := q.Get("algorithm"); s != "" {
		if phone.Algorithm, err = totp.ParseAlgorithm(s); err != nil {
			phone.Algorithm = unknown
		}
	}
	if q.Get("encoder") == "steam" { // five letters, not digits
		phone.Algorithm = unknown
	}
	return phone
}
