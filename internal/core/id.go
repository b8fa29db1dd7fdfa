package core

import (
	"encoding/base64"
	"encoding/json"
)

// withID returns the JSON of something of an account, whose ID is id in it, as base64: control characters of an ID would
// grow sixfold in JSON text, and not fit into a cookie.
func withID(plain any, id *string) ([]byte, error) {
	*id = base64.StdEncoding.EncodeToString([]byte(*id))
	return json.Marshal(plain)
}

// readWithID is the inverse of withID.
func readWithID(data []byte, plain any, id *string) error {
	if err := json.Unmarshal(data, plain); err != nil {
		return err
	}
	text, err := base64.StdEncoding.DecodeString(*id)
	*id = string(text)
	return err
}
