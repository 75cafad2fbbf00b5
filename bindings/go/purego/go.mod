module github.com/libwxtoken/libwxtoken/bindings/go/purego

go 1.19

require (
	github.com/ebitengine/purego v0.10.2
	github.com/libwxtoken/libwxtoken/bindings/go v0.1.0
)

replace github.com/libwxtoken/libwxtoken/bindings/go => ../
