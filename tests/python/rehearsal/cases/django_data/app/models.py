from django.db import models


class Book(models.Model):
    title = models.TextField()
    sold = models.IntegerField(default=0)

    class Meta:
        db_table = "book"
