"""The gallery as a live page: a server looks at the records, tells browsers what changes, takes reviews."""
