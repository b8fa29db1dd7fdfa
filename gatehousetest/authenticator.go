package gatehousetest

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/totp"
)

// Authenticator is an authenticator app as an owner has it on a phone.
type Authenticator struct {
	Issuer, Label string
	key           totp.Key
}

// ErrURI says that a text is not an otpauth URI that this Authenticator can use.
var ErrURI = errors.New("gatehousetest: not an otpauth URI for TOTP with a period of 30 seconds")

// Scan adds the key of an otpauth URI: of Enrollment.URI, or the text in a QR picture.
func Scan(uri string) (*Authenticator, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" {
		return nil, ErrURI
	}
	q := u.Query()
	issuer, label, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), ":")
	if !ok || issuer != q.Get("issuer") || q.Get("period") != "30" {
		return nil, ErrURI
	}
	var key totp.Key
	var errs [3]error
	key.Secret, errs[0] = totp.ParseSecret(q.Get("secret"))
	key.Algorithm, errs[1] = totp.ParseAlgorithm(q.Get("algorithm"))
	key.Digits, errs[2] = strconv.Atoi(q.Get("digits"))
	if err := errors.Join(append(errs[:], key.Check())...); err != nil {
		return nil, errors.Join(ErrURI, err)
	}
	return &Authenticator{Issuer: issuer, Label: label, key: key}, nil
}

// Code returns the code that the app shows at a time, by the app's clock.
func (a *Authenticator) Code(at time.Time) string {
	code, err := a.key.Code(totp.Step(at))
	if err != nil {
		panic(err) // a time before 1970
	}
	return code
}
