package aliyun

func replyMetadata(n int, r request) (int, string) { return 404, "" }
