"""An independent implementation of the SDK's encryption formats, written from their description with other libraries, so that
a mistake in the SDK does not confirm itself."""
