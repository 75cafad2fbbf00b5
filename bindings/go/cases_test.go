package wxtoken_test

import (
	"testing"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

func TestTheSharedTableOfCases(t *testing.T) {
	testkit.CarryOutTheSharedTable(t)
}
