"""What a number of cameras needs: costs, a model of the flow's rate, a plan, and a simulation that checks it."""
