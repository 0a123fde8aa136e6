"""What Adsum costs per attendance, and the machines that a country needs: measured costs, and a simulation of peaks."""
