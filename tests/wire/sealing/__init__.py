"""The encryption formats of the SDK a second time, from their description and with other libraries: so that a mistake in
the SDK is not also the yardstick by which it is measured."""
