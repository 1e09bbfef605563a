from hypothesis import settings

# A loaded machine stalls any test now and then; pytest-timeout ends one that hangs.
settings.register_profile("cachemon", deadline=None)
settings.load_profile("cachemon")
