import typer

from store import pricing

app = typer.Typer()


@app.command()
def price(item: int):
    typer.echo(pricing.price(item))


if __name__ == "__main__":
    app()
