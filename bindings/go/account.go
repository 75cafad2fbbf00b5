package wxtoken

import (
	"fmt"
	"io"
)

// A Kind is a kind of account.
type Kind string

const (
	// Official is a service or subscription account or a mini program, by the stable endpoint.
	Official Kind = "official"
	// OfficialClassic is the same by the classic endpoint, where each fetch ends the token before.
	OfficialClassic Kind = "official_classic"
	// Work is an app of a WeCom corporation.
	Work Kind = "work"
)

// An Account is what Store.Register takes. Printed or logged, its Secret is left out.
type Account struct {
	// Name is of your choosing: 1 to 128 bytes of UTF-8, no '/', no control characters.
	Name string
	// Kind is Official, OfficialClassic or Work.
	Kind Kind
	// ID is the appid or corpid: 1 to 128 printable ASCII characters.
	ID string
	// Secret is its secret: 1 to 512 printable ASCII characters.
	Secret string
}

// String is all but the secret.
func (a Account) String() string {
	return fmt.Sprintf("%s (%s %s)", a.Name, string(a.Kind), a.ID)
}

// Format prints String for every verb.
func (a Account) Format(f fmt.State, _ rune) {
	io.WriteString(f, a.String())
}
