package sandbox

// fileKinds want files that nobody should write.
var fileKinds = []kind{
	{name: "file-upward", about: "the path of the file leads upward", actions: submit, fate: onFiles(func(p Proof) Proof {
		return p.file(".well-known/pki-validation/../../fileauth.txt")
	})},
	{name: "file-outside", about: "the path of the file is not below .well-known", actions: submit, fate: onFiles(func(p Proof) Proof {
		return p.file("html/index.html")
	})},
	{name: "file-elsewhere", about: "the file is wanted of another host", actions: submit, fate: onFiles(func(p Proof) Proof {
		p.Name = "other." + home + "/" + p.Key
		p.Key = p.Name
		return p
	})},
	{name: "file-markup", about: "the content of the file is a page with a script", actions: submit, fate: onFiles(func(p Proof) Proof {
		p.Value = "<script>" + p.Value + "</script>"
		return p
	})},
	{name: "file-url", about: "the key of a file is its whole URL", actions: submit, fate: onFiles(func(p Proof) Proof {
		p.Key = "http://" + p.Name
		return p
	})},
	{name: "file-name", about: "the key of a file is its name alone", actions: submit, fate: onFiles(func(p Proof) Proof {
		p.Key = "fileauth.txt"
		return p
	})},
}

// onFiles has the files changed that an order wants.
func onFiles(change func(Proof) Proof) func(*order) {
	return onEachProof(func(p Proof) Proof {
		if p.Type != "FILE" {
			return p
		}
		return change(p)
	})
}
